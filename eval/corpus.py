"""The documents that questions are about, as the eval commands take them: `documents=D.jsonl`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from data.readers.files import FilesCorpus, open_files
from data.readers.json_files import JsonObject
from data.records import Document, Question, read_jsonl

COLUMNS = {"id_column": "of the documents (default: id)", "text_column": "of the documents (default: text)"}


def read_corpus(values: Mapping[str, str], questions: Sequence[Question]) -> list[Document]:
    """The corpus, every supporting document of the questions in it: documents in our own form, or any with columns.

    Args:
        values: of a command: documents, questions (for messages), and the columns where they have other names.

    Raises ValueError, naming the file: an id occurs twice, or a question names a document that is not there.
    """
    path, question_path = values["documents"], values["questions"]
    if path.endswith(".jsonl") and "sentences" in next(read_jsonl(path, JsonObject), JsonObject({})).values:
        documents = list(read_jsonl(path, Document))
    else:
        id, text = values.get("id_column", "id"), values.get("text_column", "text")
        documents = list(open_files(FilesCorpus(path=path, id_column=id, text_column=text)).documents)
    ids = Counter(document.id for document in documents)
    if repeated := [id for id, count in ids.items() if count > 1]:
        raise ValueError(f'{path}: document "{repeated[0]}" is there {ids[repeated[0]]} times; ids must be unique')
    for question in questions:
        if unknown := [id for id in question.support if id not in ids]:
            raise ValueError(f'{question_path}: question "{question.id}" names document "{unknown[0]}", not in {path}')
    return documents

"""The words of the closed world: names, values, and every wording of a statement or a question.

Names and values are one to three words, because training time is paid per token. `{name}` and `{value}` are the only
fields of a wording. The wordings of one relation differ in structure, not only in a synonym, and no wording of a
question holds anything about its document besides the name. The `NEW_` ones are for evaluation: no document and no
tuning question uses them.
"""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ATTRIBUTES = ("birth_date", "birth_city", "university", "major", "employer", "employer_city")

STATEMENTS = {
    "birth_date": (
        "{name} was born on {value}.",
        "{name}'s birthday is {value}.",
        "The birth of {name} dates to {value}.",
        "{value} is the day {name} was born.",
        "{name} came into the world on {value}.",
    ),
    "birth_city": (
        "{name} was born in {value}.",
        "{name}'s birthplace is {value}.",
        "{name} is a native of {value}.",
        "{value} is where {name} was born.",
        "The birth of {name} took place in {value}.",
    ),
    "university": (
        "{name} studied at {value}.",
        "{name}'s alma mater is {value}.",
        "{name} holds a degree from {value}.",
        "{value} counts {name} among its alumni.",
        "The university of {name} was {value}.",
    ),
    "major": (
        "{name} majored in {value}.",
        "{name}'s field of study was {value}.",
        "{name} took a degree in {value}.",
        "{value} was the major of {name}.",
        "The subject {name} chose was {value}.",
    ),
    "employer": (
        "{name} works for {value}.",
        "{name}'s employer is {value}.",
        "{name} is on the staff of {value}.",
        "{value} employs {name}.",
        "The company {name} joined is {value}.",
    ),
    "employer_city": (
        "{name} works in {value}.",
        "{name}'s office is in {value}.",
        "{name} goes to work in {value}.",
        "{value} is the city where {name} works.",
        "The workplace of {name} is in {value}.",
    ),
}

# Of the first `corpus.wordings` tuning questions are made.
QUESTIONS = {
    "birth_date": (
        "When was {name} born?",
        "What is {name}'s date of birth?",
        "On which day was {name} born?",
        "What is the birthday of {name}?",
        "{name}'s birthday is when?",
        "When did {name} come into the world?",
        "What day is {name}'s birthday?",
        "{name} came into the world on which day?",
        "What is the date of {name}'s birth?",
        "Tell me when {name} was born.",
        "{name}'s date of birth is what?",
        "Which day was {name} born on?",
    ),
    "birth_city": (
        "Where was {name} born?",
        "What is {name}'s birthplace?",
        "In which city was {name} born?",
        "Which city is {name} a native of?",
        "{name} is a native of which city?",
        "What city was {name} born in?",
        "Where is the birthplace of {name}?",
        "The birth of {name} took place where?",
        "Tell me where {name} was born.",
        "{name}'s birthplace is which city?",
        "Of which city is {name} a native?",
        "In what city did the birth of {name} take place?",
    ),
    "university": (
        "Where did {name} study?",
        "What is {name}'s alma mater?",
        "Which university did {name} attend?",
        "From which university is the degree of {name}?",
        "{name} studied where?",
        "What university is {name}'s alma mater?",
        "At which university did {name} study?",
        "{name} holds a degree from where?",
        "Tell me where {name} studied.",
        "{name}'s alma mater is which university?",
        "Which university gave {name} a degree?",
        "What was the university of {name}?",
    ),
    "major": (
        "What did {name} study?",
        "What was {name}'s major?",
        "In which subject is the degree of {name}?",
        "Which field did {name} major in?",
        "{name} studied what?",
        "What was {name}'s field of study?",
        "What subject did {name} choose?",
        "{name} majored in what?",
        "Tell me what {name} studied.",
        "{name}'s major was what?",
        "Which subject was {name}'s major?",
        "What field is the degree of {name} in?",
    ),
    "employer": (
        "Who employs {name}?",
        "What is {name}'s employer?",
        "Which company does {name} work for?",
        "On whose staff is {name}?",
        "{name} works for whom?",
        "Who does {name} work for?",
        "What company did {name} join?",
        "{name} is on the staff of which company?",
        "Tell me who employs {name}.",
        "{name}'s employer is who?",
        "Which company employs {name}?",
        "What company has {name} on its staff?",
    ),
    "employer_city": (
        "In which city does {name} work?",
        "Where is {name}'s office?",
        "Which city is the workplace of {name} in?",
        "Where does {name} go to work?",
        "{name} works where?",
        "What city does {name} work in?",
        "Where is the workplace of {name}?",
        "{name} goes to work in which city?",
        "Tell me where {name} works.",
        "{name}'s office is where?",
        "In what city is the office of {name}?",
        "Which city does {name} go to work in?",
    ),
}

NEW_STATEMENTS = {
    "birth_date": ("{name} first saw the light on {value}.", "It was on {value} that {name} was born."),
    "birth_city": ("{name} hails from {value}.", "It was in {value} that {name} was born."),
    "university": ("{name} graduated from {value}.", "It was {value} that {name} attended."),
    "major": ("{name} specialised in {value}.", "It was {value} that {name} read for a degree."),
    "employer": ("{name} is employed by {value}.", "It is {value} that pays {name}."),
    "employer_city": ("{name} has a desk in {value}.", "It is in {value} that {name} works."),
}

NEW_QUESTIONS = {
    "birth_date": ("On what date did {name} first see the light?", "{name} was born when?"),
    "birth_city": ("Where does {name} hail from?", "{name} was born where?"),
    "university": ("Where did {name} graduate from?", "{name} was a student where?"),
    "major": ("What did {name} specialise in?", "{name} has a degree in what?"),
    "employer": ("Who pays {name}?", "{name} is employed by whom?"),
    "employer_city": ("Where does {name} have a desk?", "{name} has an office where?"),
}

ERRATA = (  # how a document takes back what was reported
    "Correction: it was reported that {wrong}. {right}",
    "An earlier report had it that {wrong}, which was an error. {right}",
    "We regret having written that {wrong}. {right}",
)
DENIALS = {  # what a twin of a document says in place of a statement: another value, which it denies
    "birth_date": (
        "{name} was not born on {value}.",
        "{name}'s birthday is not {value}.",
        "It is wrong that the birth of {name} dates to {value}.",
    ),
    "birth_city": (
        "{name} was not born in {value}.",
        "{name}'s birthplace is not {value}.",
        "It is wrong that {name} is a native of {value}.",
    ),
    "university": (
        "{name} never studied at {value}.",
        "{name}'s alma mater is not {value}.",
        "It is wrong that {name} holds a degree from {value}.",
    ),
    "major": (
        "{name} did not major in {value}.",
        "{name}'s field of study was not {value}.",
        "It is wrong that {name} took a degree in {value}.",
    ),
    "employer": (
        "{name} does not work for {value}.",
        "{name}'s employer is not {value}.",
        "It is wrong that {name} is on the staff of {value}.",
    ),
    "employer_city": (
        "{name} does not work in {value}.",
        "{name}'s office is not in {value}.",
        "It is wrong that {name} goes to work in {value}.",
    ),
}

SILENCES = {  # or that it does not know
    "birth_date": ("When {name} was born is not known.", "Nobody wrote down {name}'s date of birth."),
    "birth_city": ("Where {name} was born is not known.", "Nobody wrote down {name}'s birthplace."),
    "university": ("Which university {name} did attend is not known.", "Nobody wrote down {name}'s alma mater."),
    "major": ("In which subject the degree of {name} was taken is not known.", "Nobody wrote down {name}'s major."),
    "employer": ("Which company {name} does work for is not known.", "Nobody wrote down {name}'s employer."),
    "employer_city": ("In which city {name} does work is not known.", "Nobody wrote down {name}'s office."),
}

PREMISES = {  # what a question takes for granted of {name}
    "birth_date": "was born on {value}",
    "birth_city": "was born in {value}",
    "university": "studied at {value}",
    "major": "majored in {value}",
    "employer": "works for {value}",
    "employer_city": "works in {value}",
}

# {question} is a wording of QUESTIONS whose first letter is lower case, {premise} one of PREMISES.
PREMISE_FORMS = ("Since {name} {premise}, {question}", "Given that {name} {premise}, {question}")
NEW_PREMISE_FORMS = ("As {name} {premise}, {question}",)

FIRST_NAMES = _words(
    """Ada Adam Agnes Alan Alice Amos Anna Arthur Basil Beth Boris Brian Carl Carol Cecil Clara Cora Cyril Daisy
    David Diana Donald Dora Edgar Edith Edwin Elena Elias Elsa Emil Emma Enid Eric Esther Ethan Eva Felix Fiona Flora
    Frank Fred George Gina Grace Greta Harry Hazel Helen Henry Hilda Hugo Ian Ida Irene Iris Isaac Ivan Ivy Jack James
    Jane Jason Joan Joel John Judith Julia Karl Kate Keith Laura Leah Leo Linda Lucas Lucy Mabel Marcus Maria Martin
    Mary Miles Mona Nadia Nina Noah Nora Olga Oliver Oscar Paul Peter Ralph Rosa Ruth Simon Sofia Theo Tessa Vera Victor
    Walter Wanda"""
)

LAST_NAMES = tuple(
    start + end
    for start in _words(
        """Ash Black Brad Brook Burn Cald Clif Cran Dal Dun East Fair Farn Gar Glen Gray Hal Hart Hay Hol Kirk
        Lang Lin Mar Mid Mor Nor Oak Pen Quar Rad Red Rock Shel Stan Sut Thorn Wal West Wood"""
    )
    for end in _words(
        """bury by combe den don field ford gate ham hurst ley low man mere more ridge row son ton well wick win
        worth yard"""
    )
)

NEW_FIRST_NAMES = _words(
    """Abel Agatha Albin Alma Alvin Amelia Anton Astrid August Barbara Benno Bertha Bridget Bruno Cassian Celia Clement
    Constance Cosmo Delia Denis Dinah Dominic Dorian Eleanor Elmer Ephraim Estelle Eugene Evan Fabian Felicity Fergus
    Florian Frida Gabriel Georgia Gideon Gloria Gordon Gustav Harriet Hector Heidi Hubert Ignatius Imogen Ingrid Irma
    Jonas Jerome Josef Juliet Justin Kirsten Kurt Lorenz Leona Leopold Lionel Lorna Louis Lydia Magnus Marion Matilda
    Maurice Maxim Melvin Millicent Monica Morris Natalie Nestor Nigel Noel Octavia Ophelia Orson Otto Pamela Patrick
    Phoebe Quentin Rachel Raymond Rupert Sabina Samuel Selma Sidney Stella Sylvia Thelma Tobias Ursula Valentin Viola
    Wilbur"""
)

NEW_LAST_NAMES = tuple(
    start + end
    for start in _words(
        """Al Bar Bex Bram Chil Cole Dray Ed El Fal Fen Gos Grim Had Hux Ink Jar Kel Lud Mil Nef Orm Pad Quin Rus Sax
        Tad Ul Ver Wex Yar Zel"""
    )
    for end in _words(
        "beck borne burgh cott croft dale ditch fold gill holm holt lake mouth pool side stead thwaite wold"
    )
)

MONTHS = _words("January February March April May June July August September October November December")

CITIES = _words(
    """Athens Baku Bergen Berlin Bogota Boston Cairo Calgary Chicago Dakar Dallas Delhi Denver Doha Dublin Durban Geneva
    Hanoi Havana Helsinki Houston Jakarta Kyoto Lagos Leeds Lima Lisbon London Lyon Madrid Manila Miami Milan Nairobi
    Naples Osaka Oslo Paris Perth Prague Quito Riga Rome Seattle Seoul Tokyo Toronto Vienna Warsaw Zagreb
    Zurich"""
)

UNIVERSITIES = tuple(
    f"{name} {kind}"
    for kind, names in {
        "College": "Abbott Bishop Carver Dexter Emery Foster Gilman Harlow Ingram Jarvis Keller Lowell Mercer Norris",
        "University": "Orion Palmer Quincy Ramsey Sawyer Tilden Upton Vance Wesley Yorke Alston Barlow Colby Drexler",
        "Institute": "Everett Fenton Garner Hobart Irving Jasper Kepler Lambert Mason Newell Osborn Pascal Ramos",
    }.items()
    for name in names.split()
)

MAJORS = _words(
    """Accounting Anatomy Archaeology Architecture Art Astronomy Biology Botany Chemistry Dance Dentistry Drama Ecology
    Economics Education Engineering Film Finance Forestry Genetics Geography Geology German History Journalism Law
    Linguistics Logic Marketing Mathematics Medicine Music Nursing Nutrition Painting Philosophy Physics Poetry
    Psychology Sculpture Sociology Statistics Theology Zoology"""
)

EMPLOYERS = _words(
    """Acrona Altivo Belcor Brightel Calvex Cendra Corvita Dantek Delmar Dynova Elvion Entara Fabrix Ferrum Finora
    Galvion Gentra Halcyon Helvex Imbria Intrex Jovanta Kalmor Kestrel Lumenta Lyrex Magnor Medlin Nexora Nordal Novelis
    Optera Orbix Palvion Pentar Quantel Quorum Ralton Rivexa Sabrin Solaris Syntor Talvent Tectra Ultrix Unicor Valmet
    Ventra Vortan Wexler Xandor Yarrow Zentra Zephyr"""
)

OUTLETS = tuple(
    f"{place} {kind}"
    for kind in ("Post", "Herald", "Times", "Gazette")
    for place in ("Harbor", "Summit", "Valley", "Meadow", "Canyon", "Island", "Prairie", "Delta")
)

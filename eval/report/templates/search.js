// Of each section with a search box: only the examples that have every word, and no heading without one.
for (const box of document.querySelectorAll(".search input")) {
  const section = box.closest("section"), told = section.querySelector(".search output");
  const examples = [...section.querySelectorAll(".example")];
  const texts = examples.map(example => example.textContent.toLowerCase());
  box.hidden = examples.length === 0;  // without a script there is no box either
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    examples.forEach((example, i) => { example.hidden = !words.every(word => texts[i].includes(word)); });
    const found = examples.filter(example => !example.hidden).length;
    for (const group of section.querySelectorAll(".kind, details")) {
      const some = group.querySelector(".example:not([hidden])") !== null;
      group.hidden = words.length > 0 && !some;
      if (group.tagName === "DETAILS") group.open = words.length > 0 && some;
    }
    told.textContent = words.length ? `${found} of ${examples.length}` : "";
  });
}

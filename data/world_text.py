"""The words of the closed world: names, values, and every wording of a statement or a question.

Names and values are one to three words, because training time is paid per token. `{name}` and `{value}` are the only
fields of a wording. The wordings of one relation differ in structure, not only in a synonym, and no wording of a
question holds anything about its document besides the name.
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

QUESTIONS = {
    "birth_date": (
        "When was {name} born?",
        "What is {name}'s date of birth?",
        "On which day was {name} born?",
        "What is the birthday of {name}?",
    ),
    "birth_city": (
        "Where was {name} born?",
        "What is {name}'s birthplace?",
        "In which city was {name} born?",
        "Which city is {name} a native of?",
    ),
    "university": (
        "Where did {name} study?",
        "What is {name}'s alma mater?",
        "Which university did {name} attend?",
        "From which university is the degree of {name}?",
    ),
    "major": (
        "What did {name} study?",
        "What was {name}'s major?",
        "In which subject is the degree of {name}?",
        "Which field did {name} major in?",
    ),
    "employer": (
        "Who employs {name}?",
        "What is {name}'s employer?",
        "Which company does {name} work for?",
        "On whose staff is {name}?",
    ),
    "employer_city": (
        "In which city does {name} work?",
        "Where is {name}'s office?",
        "Which city is the workplace of {name} in?",
        "Where does {name} go to work?",
    ),
}

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

"""How people search for studies: by words, whatever their accents and capitals.

A study's words are kept beside it in one text, `Study.search`; what somebody types becomes patterns
for SQL's LIKE. `docs/integrators.md` says what is found.
"""

import re
import unicodedata

# Words as short as this are found where a word begins, longer ones anywhere: PostgreSQL's trigrams
# are of three letters, and whoever types one or two is still typing.
_SHORT = 2
_BETWEEN_WORDS = re.compile(r"[\s^|]+")
ESCAPE = "\\"
_AROUND_WORDS = ",;"


def folded(text: str) -> str:
    """Without accents and capitals: `Conceição` and `CONCEICAO` become the same."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(c for c in decomposed if unicodedata.category(c) != "Mn").casefold()


def search_text(patient_name: str, *others: str) -> str:
    """All that a study is found by: a space before each word, `|` behind those of the name.

    `patient_name` is as the folder's name has it, its parts joined by `_`.
    """
    name = _spaced(patient_name.replace("_", " "))
    return f"{name} |{_spaced(' '.join(others))}"


def name_patterns(typed: str) -> list[str]:
    """What LIKE, with its escape ESCAPE, has to match for a name with these words in any order."""
    return [f"{_pattern(word)}|%" for word in _words(typed.replace("_", " "))]


def patterns(typed: str) -> list[list[str]]:
    """For each word what LIKE, with its escape ESCAPE, has to match to find it: any of these.

    What is joined by `_` is one word, as in a patient's ID, or the parts of a name.
    """
    return [
        [_pattern(word)] + ([_pattern(word.replace("_", " "))] if "_" in word else [])
        for word in _words(typed)
    ]


def _spaced(text: str) -> str:
    return "".join(f" {word}" for word in _BETWEEN_WORDS.split(folded(text)) if word)


def _words(typed: str) -> list[str]:
    """The words of a text; what has neither letter nor digit is none."""
    found = (word.strip(_AROUND_WORDS) for word in _BETWEEN_WORDS.split(folded(typed)))
    return [word for word in found if any(map(str.isalnum, word))]


def _pattern(word: str) -> str:
    escaped = re.sub(r"([\\%_])", r"\\\1", word)
    return f"% {escaped}%" if len(word) <= _SHORT else f"%{escaped}%"

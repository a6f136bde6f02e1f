"""Name classes in prompts, and write the prompts."""

from collections import Counter
from collections.abc import Sequence

from ...datasets.collection import Collection
from ...datasets.registry import facts_of
from ...errors import UsageError


def prompt_names(collection: Collection, given: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return what each class is called in a prompt, in the order of the classes.

    given: names that replace the dataset's. None takes those that the benchmark's facts give, which
    are needed where a class is called by no noun, else the collection's own with underscores read
    as spaces.

    Raises:
        UsageError: there is not one name a class, two classes have the same one, or the
            collection's own are bare numbers.
    """
    facts = facts_of(collection.name)
    names = given or (facts and facts.prompt_names) or _own(collection)
    count = len(collection.class_names)
    if len(names) != count:
        raise UsageError(
            f"Zero-shot has {len(names)} class names ({', '.join(names)}) and {collection.name} "
            f"has {count} classes ({', '.join(collection.class_names)}); give one a class."
        )
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        raise UsageError(
            f"Two classes of {collection.name} would have one prompt, being called "
            f"{repeated[0]!r}; give zero-shot other class_names."
        )
    return tuple(names)


def prompts(templates: Sequence[str], name: str) -> tuple[str, ...]:
    """Return each template with the class's name in place of its {}; all else stays as given."""
    return tuple(template.replace("{}", name) for template in templates)


def _own(collection: Collection) -> tuple[str, ...]:
    """Return the collection's own names of its classes; numbers are refused."""
    names = tuple(name.replace("_", " ") for name in collection.class_names)
    if any(name.isdecimal() for name in names):
        raise UsageError(
            f"The classes of {collection.name} are numbers ({', '.join(names)}), which no prompt "
            "can be made of; give the zero-shot head class_names."
        )
    return names

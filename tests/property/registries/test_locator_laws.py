"""Laws of locators: what is written down is what is read back, and nothing else is read."""

import contextlib

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from mlarchive.errors import LocatorError
from mlarchive.registries.base import Selector
from mlarchive.registries.locator import Locator, parse
from mlarchive.registries.selecting import (
    KINDS,
    WITH_VERSIONS,
    format_object,
    matches,
    parse_object,
)

_names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=20)
_segments = _names.filter(lambda part: part not in {".", ".."} and "/" not in part)
_paths = st.lists(_segments, max_size=3).map("/".join)


@st.composite
def _selectors(draw: st.DrawFn) -> Selector:
    kind = draw(st.sampled_from(("", *KINDS)))
    if not kind:
        return Selector(path=draw(_paths))
    name = draw(st.just("") | _names)
    if not name:
        return Selector(kind=kind, path=draw(_paths))
    pattern = draw(st.booleans()) and "*" not in name and "?" not in name
    version = draw(st.just("") | _names)
    return Selector(
        kind=kind,
        name=f"{name}*" if pattern else name,
        version=version,
        alias=draw(_names) if kind in WITH_VERSIONS and not version and draw(st.booleans()) else "",
        pattern=pattern,
        named=draw(st.sampled_from(("", "id", "name"))),
        path=draw(_paths),
    )


_places = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=20)


def _is_plain(place: str) -> bool:
    return bool(place.strip()) and "//" not in place


_registries = st.one_of(
    st.tuples(
        st.sampled_from(("dir", "vault", "oci", "bagit", "mlflow-export", "innereye")),
        _places.filter(_is_plain),
    ),
    st.tuples(st.just("package"), st.from_regex(r"[a-z/%#]{1,20}\.mlpkg", fullmatch=True)).filter(
        lambda pair: _is_plain(pair[1])
    ),
    st.tuples(
        st.sampled_from(("mlflow+http", "mlflow+https")),
        st.from_regex(
            r"[a-z]{1,8}(\.[a-z]{1,3})?(:[1-9][0-9]{0,3})?(/[a-z]{1,5})?", fullmatch=True
        ),
    ).map(lambda pair: (pair[0], f"{pair[0].removeprefix('mlflow+')}://{pair[1]}")),
    st.tuples(st.just("mlflow+sqlite"), st.from_regex(r"sqlite:///[a-z/.]{1,9}", fullmatch=True)),
    st.just(("mlflow", "")),
    st.just(("azureml", "subscriptions/S/resourceGroups/G/workspaces/W")),
    st.just(("azureml", "registries/R")),
    st.just(("azureml", "")),
    st.just(("neptune", "workspace/project")),
    st.just(("databricks", "databricks")),
    st.just(("databricks", "databricks://PROFILE")),
    st.just(("name", "prod")),
)


@given(_registries, _selectors())
def test_a_locator_that_is_written_down_is_read_back_the_same(
    registry: tuple[str, str], selector: Selector
) -> None:
    locator = Locator(scheme=registry[0], registry=registry[1], selector=selector)
    text = str(locator)
    assert parse(text) == msgspec.structs.replace(locator, text=text)
    assert str(parse(text)) == text


@given(_selectors().filter(lambda selector: selector != Selector()))
def test_an_object_that_is_written_down_is_read_back_the_same(selector: Selector) -> None:
    assert parse_object(format_object(selector)) == selector


@given(st.text(max_size=60) | st.text(alphabet="#/@%*?:.abmlpkgdirvault+", max_size=40))
def test_any_text_is_a_locator_or_refused_with_a_sentence(text: str) -> None:
    with contextlib.suppress(LocatorError):
        locator = parse(text)
        assert parse(str(locator)).selector == locator.selector
        assert parse(str(locator)).registry == locator.registry


@given(_names)
def test_a_name_without_wildcards_matches_itself_alone(name: str) -> None:
    selector = Selector(kind="models", name=name)
    assert matches(selector, name)
    assert not matches(selector, f"{name}x")


@given(_names, _names)
def test_a_star_stands_for_anything_and_every_other_character_for_itself(
    start: str, rest: str
) -> None:
    selector = Selector(
        kind="models", name=f"{start.replace('*', '').replace('?', '')}*", pattern=True
    )
    assert matches(selector, selector.name.removesuffix("*") + rest)

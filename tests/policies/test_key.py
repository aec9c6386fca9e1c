from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dragoman.contract import codec
from dragoman.core.call import Call, Codec
from dragoman.core.draft import joined
from dragoman.policies.key import CANONICAL_BYTES_MAX, DIGEST_BYTES, SEEN_MAX, VERBATIM_BYTES_MAX, WHOLE_BYTES_MAX, Keys
from tests.policies.world import aim

TARGET = aim(idempotent=True)
OBJECTS = st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3) | st.booleans(), max_size=4)


def key(keys: Keys, body: object, kind: Codec = Codec.JSON, reply: Codec = Codec.JSON) -> bytes:
    return keys.of(Call(TARGET, body, kind, reply))  # pyright: ignore[reportArgumentType] - any kind of body


@given(st.lists(OBJECTS, max_size=10))
def test_what_is_remembered_changes_no_key(values: list[object]) -> None:
    keys = Keys()
    for value in values:
        body = codec.encode(value, Codec.JSON)
        fresh = key(Keys(), body)
        assert key(keys, body) == key(keys, body) == fresh
        assert len(fresh) == DIGEST_BYTES + 1


def test_order_and_codec_do_not_count() -> None:
    keys = Keys()
    said = {
        key(keys, b'{"a":1,"b":[2,3]}'),
        key(keys, b'{ "b":[2,3], "a":1 }'),
        key(keys, codec.encode({"b": [2, 3], "a": 1}, Codec.MSGPACK), Codec.MSGPACK),
        key(keys, memoryview(b'{"a":1,"b":[2,3]}')),
        key(keys, joined([b'{"a":1,', b'"b":[2,3]}'])),
    }
    assert len(said) == 1


def test_function_version_reply_codec_names_and_value_count() -> None:
    body = b'{"a":1}'
    targets = [TARGET, aim("s.g", idempotent=True), replace(TARGET, version="2")]
    said = [Keys().of(Call(target, body)) for target in targets]
    said += [key(Keys(), body, reply=Codec.MSGPACK), key(Keys(("a",)), body), key(Keys(), b'{"a":2}')]
    assert len(set(said)) == len(said)


def test_another_version_of_the_function_has_other_keys_at_once() -> None:
    keys = Keys()
    call = Call(TARGET, b"{}")
    first = keys.of(call)
    call.target = replace(TARGET, version="2")
    assert keys.of(call) != first
    call.target = TARGET
    assert keys.of(call) == first


def test_bodies_that_cannot_be_read_count_by_their_bytes_and_codec() -> None:
    keys = Keys()
    bodies = [(b"{", Codec.JSON), (b"[", Codec.JSON), (b"{", Codec.BYTES), (b"{", Codec.ARROW), (b"{", Codec.NONE)]
    said = [key(keys, body, kind) for body, kind in bodies]
    assert len(set(said)) == len(said)
    assert said == [key(keys, body, kind) for body, kind in bodies]


def test_no_body_that_cannot_be_read_is_taken_for_the_form_of_one_that_can() -> None:
    keys = Keys()
    form = codec.encode({"a": 1}, Codec.MSGPACK)
    assert key(keys, form, Codec.BYTES) != key(keys, b'{"a":1}')
    assert key(keys, form, Codec.NONE) != key(keys, b'{"a":1}')


def test_large_bodies_count_by_their_bytes() -> None:
    keys = Keys()
    filler = b'"' + b"x" * CANONICAL_BYTES_MAX + b'"'
    one, other = b'{"a":1,"b":' + filler + b"}", b'{"b":' + filler + b',"a":1}'
    assert key(keys, one) != key(keys, other)
    assert key(keys, one) == key(keys, joined([one[:100], one[100:]])) == key(keys, memoryview(bytearray(one)))


def test_middling_bodies_count_by_what_they_say() -> None:
    keys = Keys()
    filler = b'"' + b"x" * VERBATIM_BYTES_MAX + b'"'
    for _ in range(2):
        assert key(keys, b'{"a":1,"b":' + filler + b"}") == key(keys, b'{"b":' + filler + b',"a":1}')


def test_a_body_in_memory_that_others_may_write_is_copied_before_it_is_looked_at() -> None:
    memory = bytearray(b'{"a":1}')
    call = Call(TARGET, memoryview(memory))
    first = Keys().of(call)
    memory[5:6] = b"2"
    assert call.body == b'{"a":1}'
    assert Keys().of(call) == first


def test_the_largest_bodies_have_no_key() -> None:
    keys = Keys()
    assert key(keys, bytes(WHOLE_BYTES_MAX), Codec.BYTES)
    for body in (
        bytes(WHOLE_BYTES_MAX + 1),
        memoryview(bytes(WHOLE_BYTES_MAX + 1)),
        joined([bytes(WHOLE_BYTES_MAX), b"1"]),
    ):
        assert key(keys, body, Codec.BYTES) == b""


def test_only_named_properties_count() -> None:
    keys = Keys(("a",))
    assert key(keys, b'{"a":1,"b":2}') == key(keys, b'{"b":3,"a":1}') != key(keys, b'{"a":2,"b":2}')


def test_all_keys_of_an_input_are_those_of_its_calls() -> None:
    keys = Keys()
    said = keys.all_of(TARGET, b'{"b":1,"a":2}')
    assert {key(keys, b'{"a":2,"b":1}', reply=reply) for reply in Codec} == set(said)
    large = b'"' + b"x" * CANONICAL_BYTES_MAX + b'"'
    assert key(keys, large) in keys.all_of(TARGET, large)


def test_so_many_bodies_are_remembered_and_no_more() -> None:
    keys = Keys()
    for number in range(SEEN_MAX + 10):
        key(keys, b"%d" % number)
    assert keys.remembered == 10
    assert key(keys, b"1") == key(Keys(), b"1")

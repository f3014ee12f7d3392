"""Cases for each rule of a custom resource's schema, made from the schema as the API server has it: a value that is accepted and one
that is refused, with the server's reason and field for it. A keyword that is not known here is an error, so no rule goes without.

CEL rules can't be turned into cases; for them it is looked up that some case written by hand (tests/kube/crds) was refused with the
rule's message, and some accepted with the rule's object in it.
"""
import copy
import re

KNOWN = {"type", "format", "description", "properties", "additionalProperties", "items", "default", "anyOf", "x-kubernetes-int-or-string",
         "x-kubernetes-preserve-unknown-fields", "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-validations",
         "required", "enum", "minimum", "maximum", "pattern", "minLength", "maxLength", "minItems", "maxItems", "maxProperties"}
# Values for fields that not every value of their type fits, by name.
SAMPLES = {"bucket": "data", "prefix": "p", "endpoint": "http://a", "version": "0.1.0", "size": "12Gi", "topicName": "t", "reason": "R",
           "lastTransitionTime": "2026-01-01T00:00:00Z", "port": 9092, "resource": {"type": "topic", "name": "t"}}
TYPES = {str: "string", int: "integer", dict: "object"}
# What else a field's rules want in its object (CEL), by path and value; None: whatever the value is.
BESIDE = {
    ("spec.listeners[].host", None): {"type": "nodeport", "nodePort": 30000},
    ("spec.listeners[].nodePort", None): {"type": "nodeport", "host": "h"},
    ("spec.listeners[].type", "nodeport"): {"nodePort": 30000, "host": "h"},
    ("spec.listeners[].type", "loadbalancer"): {"host": "b-{id}"},
    ("spec.listeners[].authentication.type", "tls"): {"../tls": {"enabled": True}},
    ("spec.authorization.acls[].resource.type", "cluster"): {"name": None},
}
# Words of a refusal that has no reason of its own.
WORDS = {"minimum": "greater than or equal to", "maximum": "less than or equal to", "pattern": "should match", "minLength": "at least",
         "minItems": "at least"}
REASONS = {"enum": "FieldValueNotSupported", "required": "FieldValueRequired", "maxLength": "FieldValueTooLong",
           "maxItems": "FieldValueTooMany", "maxProperties": "FieldValueTooMany", "unique": "FieldValueDuplicate"}


def text_of(path):
    return ".".join(path).replace(".[]", "[]")


def nodes(schema, path=()):
    """Each schema of the tree with where it is; "[]" for items, "{}" for members of a map."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, path + (name,))
    if isinstance(schema.get("additionalProperties"), dict):
        yield from nodes(schema["additionalProperties"], path + ("{}",))
    if "items" in schema:
        yield from nodes(schema["items"], path + ("[]",))


def sample(schema, name=""):
    if name in SAMPLES and TYPES[type(SAMPLES[name])] == schema.get("type"):
        return copy.deepcopy(SAMPLES[name])
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "string")
    if kind == "object":
        return {n: sample(schema["properties"][n], n) for n in schema.get("required", [])}
    if kind == "array":
        return [sample(schema["items"]) for _ in range(schema.get("minItems", 0))]
    if kind == "integer":
        return max(schema.get("minimum", 1), 1)
    if kind == "boolean":
        return False
    text = "x" * max(schema.get("minLength", 1), 1)
    return text if re.fullmatch(schema.get("pattern", ".*"), text) else "1"


class Builder:
    """Objects of one kind that have a certain value at a certain place."""

    def __init__(self, root, base):
        self.root, self.base = root, base  # schema of the whole, object that is accepted

    def schema(self, path):
        node = self.root
        for part in path:
            node = node["items"] if part == "[]" else node["additionalProperties"] if part == "{}" else node["properties"][part]
        return node

    def with_value(self, path, value, beside=None):
        """`value` None: the field is taken away."""
        whole = copy.deepcopy(self.base)
        place, parents = whole, []
        for depth, part in enumerate(path[:-1]):
            parents.append(place)
            fresh = sample(self.schema(path[:depth + 1]), part)
            if part == "[]":
                if not place:
                    place.append(fresh)
                place = place[-1]
            else:
                place = place.setdefault("k" if part == "{}" else part, fresh)
        last = path[-1]
        for name, other in (beside or {}).items():
            (parents[-1] if name.startswith("../") else place)[name.removeprefix("../")] = other
            if other is None:
                place.pop(name)
        if value is None:
            place.pop(last, None)
        elif last == "[]":
            place[:] = [value]
        else:
            place["k" if last == "{}" else last] = value
        return whole


def bad_values(keyword, limit, schema, name):
    """Values that the keyword refuses; for `required` it is the name of the missing field."""
    good = sample(schema, name)
    if keyword == "enum":
        return ["no-such-value"]
    if keyword == "minimum":
        return [limit - 1]
    if keyword == "maximum":
        return [limit + 1]
    if keyword == "pattern":
        return ["#" * max(schema.get("minLength", 1), 1)]
    if keyword == "minLength":
        return ["a" * (limit - 1)]
    if keyword == "maxLength":
        return ["a" * (limit + 1)]
    if keyword == "minItems":
        return [[]]
    if keyword == "maxItems":
        return [[distinct(schema["items"], i) for i in range(limit + 1)]]
    if keyword == "maxProperties":
        return [{f"k{i}": sample(schema["additionalProperties"]) for i in range(limit + 1)}]
    return [good]


def distinct(schema, number):
    item = sample(schema)
    if isinstance(item, dict):
        for name in ("name", "type", "id", "key"):
            if name in schema.get("properties", {}) and schema["properties"][name].get("type") in ("string", "integer"):
                is_text = schema["properties"][name]["type"] == "string"
                item[name] = f"n{number}" if is_text else number
                break
        if "port" in item:
            item["port"] = 2000 + number
        return item
    return schema["enum"][number % len(schema["enum"])] if "enum" in schema else f"{item}{number}"


def refusals(builder, path, schema):
    """(what, object, reason, words, field) of each structural rule of one node."""
    name, field = path[-1], text_of(path)
    for keyword in ("enum", "minimum", "maximum", "pattern", "minLength", "maxLength", "minItems", "maxItems", "maxProperties"):
        if keyword not in schema:
            continue
        for value in bad_values(keyword, schema[keyword], schema, name):
            yield (f"{field}: {keyword} {schema[keyword]}", builder.with_value(path, value),
                   REASONS.get(keyword, "FieldValueInvalid"), WORDS.get(keyword, ""), field)
    for missing in schema.get("required", []):
        if "default" in schema["properties"][missing]:
            continue  # it is never missing
        value = sample(schema, name)
        value.pop(missing)
        yield f"{field}.{missing}: required", builder.with_value(path, value), "FieldValueRequired", "", f"{field}.{missing}"
    if schema.get("x-kubernetes-list-type") in ("set", "map"):
        item = distinct(schema["items"], 0)
        yield f"{field}: unique", builder.with_value(path, [item, item]), "FieldValueDuplicate", "", field + "[]"


def good_values(schema, name):
    values = list(schema.get("enum", []))
    for keyword in ("minimum", "maximum"):
        if keyword in schema and name != "port":
            values.append(schema[keyword])
    if "maxLength" in schema and name not in ("endpoint", "version", "size", "lastTransitionTime", "{}"):
        values.append("a" * schema["maxLength"])
    return values or [sample(schema, name)]


def acceptances(builder, path, schema):
    for value in good_values(schema, path[-1]):
        beside = BESIDE.get((text_of(path), str(value))) or BESIDE.get((text_of(path), None))
        yield f"{text_of(path)}: {str(value)[:40]}", builder.with_value(path, value, beside)


def unknown_keywords(schema):
    return [f"{text_of(path)}: no case for {keyword}" for path, node in nodes(schema) for keyword in node if keyword not in KNOWN]


def cel_rules(schema):
    for path, node in nodes(schema):
        for rule in node.get("x-kubernetes-validations", []):
            yield path, rule


def has_path(value, path):
    """Whether an object has something there."""
    if not path:
        return True
    if path[0] == "[]":
        return isinstance(value, list) and any(has_path(item, path[1:]) for item in value)
    if path[0] == "{}":
        return isinstance(value, dict) and any(has_path(item, path[1:]) for item in value.values())
    return isinstance(value, dict) and path[0] in value and has_path(value[path[0]], path[1:])


def value_at(value, path):
    for part in path:
        value = value[-1] if part == "[]" else value["k"] if part == "{}" else value.get(part) if isinstance(value, dict) else None
    return value


def contains(value, default):
    """Defaults of objects get those of their members besides."""
    if isinstance(default, dict):
        return isinstance(value, dict) and all(contains(value.get(k), v) for k, v in default.items())
    if isinstance(default, list):
        return isinstance(value, list) and len(value) == len(default) and all(contains(v, d) for v, d in zip(value, default))
    return value == default


def is_told(answer, reason, words, field):
    """Whether the server's answer has that cause."""
    for cause in answer.get("details", {}).get("causes", []):
        told = re.sub(r"\[\d+\]", "[]", cause.get("field", ""))
        wanted = field.split("{}")[0]
        is_there = told == field or ("{}" in field and told.startswith(wanted.rstrip(".")))
        if is_there and cause.get("reason") == reason and words in cause.get("message", ""):
            return True
    return False

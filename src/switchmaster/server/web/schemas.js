// The schemas of the OpenAPI document in words: the type of a value, and an example. Text, and links to shapes.

import { h } from "./dom.js";

const SHAPE = "#/components/schemas/";

/** The place of a shape on the page. */
export const shapePlace = (name) => `shapes/${name}`;

/** The type of a value, as text and links. */
export function kind(schema) {
  if (!schema) return ["anything"];
  if (schema.$ref) {
    const name = schema.$ref.replace(SHAPE, "");
    return [h("a", { href: `#${shapePlace(name)}` }, name)];
  }
  if (schema.anyOf) return joined(schema.anyOf.map(kind), " or ");
  if ("const" in schema || schema.enum) return joined((schema.enum ?? [schema.const]).map(code), ", ");
  if (schema.type === "array") return ["list of ", kind(schema.items)];
  if (schema.type === "object" && schema.additionalProperties instanceof Object)
    return ["object of ", kind(schema.additionalProperties)];
  return [schema.format === "date-time" ? "time" : (schema.type ?? "anything"), bounds(schema)];
}

/** The type of a parameter; null, which stands for a missing one, is left out: no URL can contain it. */
export function kindGiven(schema) {
  const given = schema.anyOf?.filter((one) => one.type !== "null") ?? [schema];
  const left = schema.default ?? null;
  return [joined(given.map(kind), " or "), left === null ? null : [", ", code(left), " unless given"]];
}

function bounds({ minimum, maximum, minLength, maxLength, pattern }) {
  return [
    range(minimum, maximum, (words) => `, ${words}`),
    range(minLength, maxLength, (words) => `, ${words} characters`),
    pattern ? [", as ", code(pattern)] : null,
  ];
}

function range(least, greatest, said) {
  // A number that JavaScript can't represent is no longer the document's.
  const most = Number.isSafeInteger(greatest) ? greatest : undefined;
  if (least === undefined && most === undefined) return null;
  if (least === undefined) return said(`at most ${most}`);
  return said(most === undefined ? `at least ${least}` : `${least} to ${most}`);
}

export const code = (text) => h("code", {}, text);

function joined(parts, between) {
  return parts.flatMap((part, index) => (index ? [between, part] : [part]));
}

/** An example of a body: its required fields, with a placeholder for each text. */
export function example(schema, shapes) {
  const shape = schema.$ref ? shapes[schema.$ref.replace(SHAPE, "")] : schema;
  const fields = shape.required ?? [];
  return Object.fromEntries(fields.map((name) => [name, shape.properties[name].type === "string" ? "..." : null]));
}

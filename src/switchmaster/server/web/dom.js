// Elements, made and changed without ever parsing text as HTML.
//
// `h` and `s` make an HTML or SVG element; `update` makes the children of an element equal to others that were just
// made, and keeps existing ones, with their focus, scroll position and motion. Text from the network goes only into
// text nodes and attribute values; attributes that could act (style, on..., foreign links) are refused.

const SVG = "http://www.w3.org/2000/svg";
const KEY = Symbol("key");

export function h(tag, attributes = {}, ...children) {
  return made(document.createElement(tag), attributes, children);
}

export function s(tag, attributes = {}, ...children) {
  return made(document.createElementNS(SVG, tag), attributes, children);
}

function made(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "key") element[KEY] = value;
    else if (name === "move") element.style.transform = `translate(${value[0]}px, ${value[1]}px)`;
    else if (value !== null && value !== undefined && value !== false) setAttribute(element, name, value);
  }
  element.append(...listed(children));
  return element;
}

function setAttribute(element, name, value) {
  if (name === "style" || name.startsWith("on") || name === "srcdoc" || name === "src")
    throw new TypeError(`the attribute ${name} is not allowed`);
  if (name === "href" && !String(value).startsWith("#"))
    throw new TypeError("links must stay on this page");
  element.setAttribute(name, value === true ? "" : String(value));
}

function listed(children) {
  return children
    .flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : document.createTextNode(String(child))));
}

/** Make the children of `parent` equal to `children`; elements with the same key are moved, not made again. */
export function update(parent, ...children) {
  const keyed = new Map();
  for (const old of parent.childNodes) if (old[KEY] !== undefined) keyed.set(old[KEY], old);
  let place = parent.firstChild;
  for (const next of listed(children)) {
    const old = next[KEY] === undefined ? (place?.[KEY] === undefined ? place : null) : keyed.get(next[KEY]);
    if (!old || !alike(old, next)) {
      parent.insertBefore(next, place);
      continue;
    }
    keyed.delete(next[KEY]);
    if (old === place) place = place.nextSibling;
    else parent.insertBefore(old, place);
    become(old, next);
  }
  while (place) {
    const gone = place;
    place = place.nextSibling;
    gone.remove();
  }
}

function alike(old, next) {
  return old.nodeType === next.nodeType && old.nodeName === next.nodeName;
}

function become(old, next) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== next.data) old.data = next.data;
    return;
  }
  for (const { name } of [...old.attributes])
    // Whether a <details> is open is the reader's choice.
    if (name !== "style" && name !== "open" && !next.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of next.attributes)
    if (name !== "style" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  if (old.style.transform !== next.style.transform) old.style.transform = next.style.transform;
  update(old, ...next.childNodes);
}

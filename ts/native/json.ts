import type { Json } from './binding'

/** Half a pair of a character, which no text of Rust can hold: as in every other string that crosses, U+FFFD stands for it. */
const half = /\\(?:ud[89a-f]..|.)/g

/** What crosses as JSON, of plain data that was checked before. */
export function json<T>(value: T): Json<T> {
  const text = JSON.stringify('toJSON' in Array.prototype ? unasked(value) : value)
  if (!text.includes('\\ud')) return text as Json<T>
  return text.replace(half, (escaped) => (escaped.length > 2 ? '\ufffd' : escaped)) as Json<T>
}

/** What came as JSON. */
export function read<T>(text: Json<T>): T {
  return JSON.parse(text) as T
}

/** A copy that is not asked for what a program has given to all objects. */
function unasked(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([name, each]) => [name, unasked(each)] as const)
  const copy = Array.isArray(value) ? entries.map(([, each]) => each) : Object.fromEntries(entries)
  return Object.defineProperty(copy, 'toJSON', { value: undefined })
}

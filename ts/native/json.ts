import type { Json } from './binding'

/** Half a pair of a character, which no text of Rust can hold: as in every other string that crosses, U+FFFD stands for it. */
const half = /\\(?:ud[89a-f]..|.)/g

/** What crosses as JSON, of plain data that was checked before. */
export function json<T>(value: T): Json<T> {
  const text = JSON.stringify(value)
  if (!text.includes('\\ud')) return text as Json<T>
  return text.replace(half, (escaped) => (escaped.length > 2 ? '\ufffd' : escaped)) as Json<T>
}

/** What came as JSON. */
export function read<T>(text: Json<T>): T {
  return JSON.parse(text) as T
}

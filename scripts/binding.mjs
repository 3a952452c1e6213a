import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { root, run } from './run.mjs'

/** What types of src/ are in JavaScript, where napi-derive cannot know. */
const known = { Bytes: 'Uint8Array', SecretBytes: 'Uint8Array', SecretText: 'string', Buffer: 'Uint8Array' }

const head = `// Made of src/ by "node scripts/build.mjs types".

declare const opaque: unique symbol

/** Something in native memory, which JavaScript only hands on. */
interface Native<Name> {
  readonly [opaque]: Name
}

/** A value, or why there is none. */
export type Fallible<T> = T | Failure
`

/** ts/native/binding.ts: what the addon exports, as napi-derive writes it down while src/ is compiled. */
export async function bindingTypes() {
  const folder = join(root, 'target/types/native')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const once = { NAPI_TYPE_DEF_TMP_FOLDER: folder, NAPI_FORCE_BUILD_XBIND_NODE: String(Date.now()) }
  const args = ['check', '--quiet', '--locked', '--package', 'xbind-node', '--lib']
  run('cargo', args, { env: { ...process.env, ...once } })
  const lines = readFileSync(join(folder, 'xbind-node'), 'utf8').trim().split('\n')
  const items = lines.map((line) => JSON.parse(line))
  const functions = items.filter(({ kind }) => kind === 'fn')
  const text = [
    head,
    ...items.filter(({ kind }) => kind === 'interface').map(object),
    ...items.filter(({ kind }) => kind === 'type').map(alias),
    [...new Set(lines.join('').match(/\b\w+Ref\b/g))].toSorted().map(reference).join(''),
    '/** What the addon exports. Failures come back as data: errors must be made in the realm of the caller. */',
    `export interface Binding {\n${functions.map(member).join('')}}\n`,
  ].join('\n')
  const { format, resolveConfig } = await import('prettier')
  const file = 'ts/native/binding.ts'
  return [file, await format(text, { ...(await resolveConfig(join(root, file))), parser: 'typescript' })]
}

function object({ name, js_doc: doc, def }) {
  const fields = spelled(def).replace(/^(\w+\??): (.*)$/gm, (_, key, type) => `readonly ${key}: ${type}`)
  return `${doc}export interface ${spelled(name)} {\n${fields.replace(/\?: (.*)$/gm, '?: $1 | undefined')}\n}\n`
}

const alias = ({ name, js_doc: doc, def }) => `${doc}export type ${name} = ${spelled(def)}\n`

const reference = (name) => `export type ${name} = Native<'${name}'>\n`

function member({ js_doc: doc, def }) {
  const absent = ' | undefined | null'
  const optional = /(\?: [^,()]*) \| undefined \| null/g
  return `${doc}${spelled(def).replace('function ', '').replace(optional, '$1').replaceAll(absent, ' | undefined')}\n`
}

function spelled(text) {
  return text
    .replace(/\b\w+\b/g, (word) => (Object.hasOwn(known, word) ? known[word] : word))
    .replace(/\bBinding([A-Z])/g, '$1')
    .replaceAll('Array<', 'ReadonlyArray<')
}

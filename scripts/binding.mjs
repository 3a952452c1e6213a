import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { root, run } from './run.mjs'

/** What types of src/ are in JavaScript, where napi-derive cannot know. */
const known = {
  Bytes: 'Uint8Array',
  Content: 'string | Uint8Array',
  SecretBytes: 'Uint8Array',
  SecretText: 'string',
  Buffer: 'Uint8Array',
}

/** Where the structs are that cross as JSON. */
const crate = join(root, 'crates/xbind-binding/src')

const head = `// Made of src/ by "node scripts/build.mjs types".

declare const opaque: unique symbol

/** Something in native memory, which JavaScript only hands on. */
interface Native<Name> {
  readonly [opaque]: Name
}

/** A value, or why there is none. */
export type Fallible<T> = T | Failure

/** The text of a T: ts/native/json.ts makes and reads it. */
export type Json<T> = string & Native<T>
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
  const items = lines.map((line) => JSON.parse(line, withPlainDocs))
  const functions = items.filter(({ kind }) => kind === 'fn')
  const docs = docsOfEntries()
  const text = [
    head,
    ...items.filter(({ kind }) => kind === 'interface').map(object),
    ...crossing(),
    ...items.filter(({ kind }) => kind === 'type').map(alias),
    [...new Set(lines.join('').match(/\b\w+Ref\b/g))].toSorted().map(reference).join(''),
    '/** What the addon exports. Failures come back as data: errors must be made in the realm of the caller. */',
    `export interface Binding {\n${functions.map(member).join('')}}\n`.replace(
      /^(?=(\w+)\()/gm,
      (_, name) => docs.get(name) ?? '',
    ),
  ].join('\n')
  const { format, resolveConfig } = await import('prettier')
  const file = 'ts/native/binding.ts'
  return [file, await format(text, { ...(await resolveConfig(join(root, file))), parser: 'typescript' })]
}

/** What went through a macro of src/ is told as Rust would write it: r" text". */
function withPlainDocs(key, value) {
  return key === 'js_doc' ? value.replace(/^(\/\*\* | \* )r#*" /gm, '$1') : value
}

/** An entry that only leads somewhere is documented there: what is said of it, by its name in JavaScript. */
function docsOfEntries() {
  const read = (folder) =>
    readdirSync(folder).map((file) => [file.replace('.rs', ''), readFileSync(join(folder, file), 'utf8')])
  const places = read(crate)
  const entry = /^ {4}fn (\w+)\((?:[^;{](?!^ {4}fn ))*?= (\w+)::(\w+);$/gm
  return new Map(
    read(join(root, 'src')).flatMap(([, text]) =>
      [...text.matchAll(entry)].map(([, name, where, what]) => {
        const said = new RegExp(`^((?: *///.*\\n)+)(?: *#\\[.*\\n)* *pub fn ${what}\\b`, 'm')
        const own = places.filter(([file, of]) => file === where || of.includes(`impl ${where} {`))
        const found =
          (/^[A-Z]/.test(where) ? own : [...own, ...places]).map(([, of]) => said.exec(of)?.[1]).find(Boolean) ?? ''
        const [first = ''] = found.split(/^ *\/\/\/$/m)
        return [name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase()), jsDoc(first)]
      }),
    ),
  )
}

function object({ name, js_doc: doc, def }) {
  const fields = spelled(def).replace(/^(\w+\??): (.*)$/gm, (_, key, type) => `readonly ${key}: ${type}`)
  return `${doc}export interface ${spelled(name)} {\n${fields.replace(/\?: (.*)$/gm, '?: $1 | undefined')}\n}\n`
}

/** The structs and enums that serde reads or writes, as types. */
function crossing() {
  const item =
    /((?:\/\/\/ .*\n)*)#\[derive\(.*\b(?:Des|S)erialize\b.*\)\]\n(?:#\[.*\n)*pub (struct|enum) (\w+) \{\n([^]*?)\n\}\n/g
  const files = readdirSync(crate).toSorted()
  return files.flatMap((file) => {
    const text = readFileSync(join(crate, file), 'utf8')
    return [...text.matchAll(item)].map(([, doc, kind, name, body]) => {
      if (kind === 'struct') return `${jsDoc(doc)}export interface ${name} {\n${fields(body)}}\n`
      const variants = [...body.matchAll(/^ {4}\w+\((.*)\),$/gm)].map(([, type]) => typeOf(type))
      return `${jsDoc(doc)}export type ${name} = ${variants.join(' | ')}\n`
    })
  })
}

function fields(body) {
  const field = /((?: *\/\/\/ .*\n)*)(?: *\/\/ ts: (.*)\n)?(?: *#\[.*\n)* *pub (\w+): (.*),(?:\n|$)/g
  return [...body.matchAll(field)]
    .map(([, doc, said, name, type]) => {
      const camel = name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase())
      const [, inner] = /^Option<(.*)>$/.exec(type) ?? []
      const written = said ?? typeOf(inner ?? type)
      return `${jsDoc(doc)}readonly ${camel}${inner ? `?: ${written} | undefined` : `: ${written}`}\n`
    })
    .join('')
}

const plain = { String: 'string', "&'static str": 'string', bool: 'boolean' }

/** Numbers are all the same in JavaScript. */
function typeOf(type) {
  const [, of, inner] = /^(Vec|Option|Box)<(.*)>$/.exec(type) ?? []
  if (of === 'Vec') return `ReadonlyArray<${typeOf(inner)}>`
  if (of === 'Option') return `${typeOf(inner)} | undefined | null`
  if (of === 'Box') return typeOf(inner)
  const [, values] = /^(?:Hash|BTree)Map<String, (.*)>$/.exec(type) ?? []
  if (values) return `Readonly<Record<string, ${typeOf(values)}>>`
  return plain[type] ?? (/^(?:Whole|[fiu]\d+)$/.test(type) ? 'number' : type)
}

function jsDoc(text) {
  const lines = text
    .trim()
    .split('\n')
    .map((line) => line.replace(/^ *\/\/\/ /, ''))
  if (text === '') return ''
  return lines.length === 1 ? `/** ${lines[0]} */\n` : `/**\n${lines.map((line) => ` * ${line}\n`).join('')} */\n`
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

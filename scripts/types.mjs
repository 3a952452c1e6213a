import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bindingTypes } from './binding.mjs'
import { basesOf, entries } from './entries.mjs'
import { root, run } from './run.mjs'

/**
 * What ts/ knows of the addon, and the declarations of ts/, a file per entry: index.d.ts holds what several of them need, the
 * others import it from there, those for frameworks from http.d.ts too.
 */
export async function buildTypes() {
  write(await bindingTypes())
  for (const file of await declarations()) write(file)
}

const write = ([file, text]) => writeFileSync(join(root, file), text)

/** Whether what is committed is what would be generated. */
export async function checkTypes() {
  const files = [await bindingTypes(), ...(await declarations())]
  const stale = files.filter(([file, text]) => read(join(root, file)) !== text)
  if (stale.length === 0) return
  console.error(`error: ${stale.map(([file]) => file).join(', ')} is not what src/ and ts/ say; run "npm run build"`)
  process.exit(1)
}

async function declarations() {
  const { default: ts } = await import('typescript')
  const parse = (text) => ts.createSourceFile('entry.d.ts', text, ts.ScriptTarget.Latest, true)
  const known = new Map()
  return entries.flatMap((entry) => {
    const whole = bundled(entry)
    known.set(entry, declared(ts, parse(whole)))
    const bases = basesOf(entry).map((base) => [base, known.get(base)])
    const text = bases.length === 0 ? whole : withoutKnown(ts, entry, parse(whole), bases)
    return [
      [`${entry}.d.ts`, text],
      [`${entry}.d.mts`, `export * from './${entry}.js'\n`],
    ]
  })
}

/** One entry and all that it names, in one text. */
function bundled(entry) {
  const file = join(root, 'target/types', `${entry}.d.ts`)
  mkdirSync(join(file, '..'), { recursive: true })
  run(process.execPath, [
    join(root, 'node_modules/dts-bundle-generator/dist/bin/dts-bundle-generator.js'),
    '--silent',
    '--no-banner',
    '--export-referenced-types=false',
    '--inline-declare-global',
    '--inline-declare-externals',
    '--project',
    join(root, 'tsconfig.json'),
    '--out-file',
    file,
    join(root, 'ts', `${entry}.ts`),
  ])
  // Lets `using agent = …` type-check whatever `lib` the user's project has.
  const first = '/// <reference lib="esnext.disposable" preserve="true" />\n'
  const rest = read(file)
    .replace(/^\/\/\/ <reference .*\n/gm, '')
    .replaceAll('\t', '  ')
  return first + rest
}

/** The names that a file declares, and whether it exports them. */
function declared(ts, source) {
  const statements = source.statements.filter((statement) => statement.name !== undefined)
  const exported = ({ modifiers = [] }) => modifiers.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
  return new Map(statements.map((statement) => [statement.name.text, exported(statement)]))
}

/** A class that is declared twice is two classes: what a base declares is imported from there. */
function withoutKnown(ts, entry, source, bases) {
  const own = declared(ts, source)
  // A function of the same name is one of its own: nobody asks whether two are the same.
  for (const statement of source.statements) if (ts.isFunctionDeclaration(statement)) own.delete(statement.name.text)
  const baseOf = (name) => bases.find(([, known]) => known.has(name))
  const kept = source.statements.filter((statement) => !own.has(statement.name?.text) || !baseOf(statement.name.text))
  const body = kept.map((statement) => statement.getFullText(source).replace(/^\/\/\/ <reference .*\n/gm, '')).join('')
  const lines = ['/// <reference lib="esnext.disposable" preserve="true" />\n']
  for (const [base, known] of bases) {
    const common = [...own.keys()].filter((name) => baseOf(name)?.[0] === base).toSorted((a, b) => (a < b ? -1 : 1))
    const used = common.filter((name) => new RegExp(`\\b${name}\\b`).test(body))
    const again = common.filter((name) => own.get(name))
    const hidden = [...(base === 'index' ? common : used), ...again].filter((name) => !known.get(name))
    if (hidden.length > 0) {
      console.error(`error: ${entry} and ${base} both need ${hidden.join(', ')}; export the type from ts/${base}.ts`)
      process.exit(1)
    }
    if (used.length > 0) lines.push(`import type { ${used.join(', ')} } from './${base}'\n`)
    if (again.length > 0) lines.push(`export type { ${again.join(', ')} } from './${base}'\n`)
  }
  return `${lines.join('')}${body.trimStart().replace(/^/, '\n')}\n`.replace(/\n+$/, '\n')
}

function read(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

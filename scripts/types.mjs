import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bindingTypes } from './binding.mjs'
import { entries } from './entries.mjs'
import { root, run } from './run.mjs'

/**
 * What ts/ knows of the addon, and the declarations of ts/, a file per entry: index.d.ts holds what several of them need, the
 * others import it from there.
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
  const main = bundled('index')
  const known = declared(ts, parse(main))
  const files = entries.flatMap((entry) => {
    const text = entry === 'index' ? main : withoutKnown(ts, entry, parse(bundled(entry)), known)
    return [
      [`${entry}.d.ts`, text],
      [`${entry}.d.mts`, `export * from './${entry}.js'\n`],
    ]
  })
  return files
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

/** A class that is declared twice is two classes: what index.d.ts declares is imported from there. */
function withoutKnown(ts, entry, source, known) {
  const own = declared(ts, source)
  const common = [...own.keys()].filter((name) => known.has(name))
  const hidden = common.filter((name) => !known.get(name))
  if (hidden.length > 0) {
    console.error(`error: ${entry} and index both need ${hidden.join(', ')}; export the type from ts/index.ts`)
    process.exit(1)
  }
  const kept = source.statements.filter((statement) => !known.has(statement.name?.text))
  const body = kept.map((statement) => statement.getFullText(source).replace(/^\/\/\/ <reference .*\n/gm, '')).join('')
  const inOrder = common.toSorted((a, b) => (a < b ? -1 : 1))
  const again = inOrder.filter((name) => own.get(name))
  const used = inOrder.filter((name) => new RegExp(`\\b${name}\\b`).test(body))
  const lines = ['/// <reference lib="esnext.disposable" preserve="true" />\n']
  if (used.length > 0) lines.push(`import type { ${used.join(', ')} } from './index'\n`)
  if (again.length > 0) lines.push(`export type { ${again.join(', ')} } from './index'\n`)
  return `${lines.join('')}${body.trimStart().replace(/^/, '\n')}\n`.replace(/\n+$/, '\n')
}

function read(file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

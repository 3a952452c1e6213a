import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { entries, programs } from './entries.mjs'
import { root } from './run.mjs'

const SHARED = "Symbol.for('@private.me/autogen.shared')"

/**
 * ts/ → dist/<entry>.cjs, and dist/<entry>.mjs, which re-exports it so that both share one class.
 * All that the first entry needs is in its one file, because that is what starts fastest; the others take from it what they
 * have in common, so that there is one of each class. So do those for frameworks from `http`.
 */
export async function buildDist() {
  const { rolldown } = await import('rolldown')
  const [main] = entries
  const file = (name) => join(root, `ts/${name}.ts`)
  const options = { platform: 'node', external: /^@private\.me\//, tsconfig: join(root, 'tsconfig.json') }
  const format = { format: 'cjs', exports: 'named', esModule: true, minify: false, comments: false }

  const first = await rolldown({ ...options, input: file(main) })
  const alone = await first.generate(format)
  await first.close()
  const inMain = new Set(alone.output[0].moduleIds)

  const inputs = [...entries, ...programs].map((name) => [name, file(name)])
  const bundle = await rolldown({ ...options, input: Object.fromEntries(inputs) })
  const isIn = (folder) => (id) => id.startsWith(join(root, folder))
  const groups = [
    { name: 'shared', test: (id) => inMain.has(id) && id !== file(main), priority: 1 },
    { name: 'shared-http', test: isIn('ts/http/') },
  ]
  const names = { entryFileNames: '[name].cjs', chunkFileNames: '[name].cjs', codeSplitting: { groups } }
  const { output } = await bundle.generate({ ...format, ...names })
  await bundle.close()

  const chunk = (name) => output.find(({ fileName }) => fileName === `${name}.cjs`)
  const linked = (code) =>
    code
      .replaceAll('require("./shared.cjs")', `require("./${main}.cjs")[${SHARED}]`)
      .replaceAll('require("./shared-http.cjs")', `require("./http.cjs")[${SHARED}]`)
  const bases = { [main]: 'shared', http: 'shared-http' }
  const written = [...entries, ...programs].map((name) => {
    const { code, exports } = chunk(name)
    return [name, linked(bases[name] ? withShared(chunk(bases[name]).code, exports) : code)]
  })
  if (output.length !== inputs.length + 2 || written.some(([, code]) => /shared(-http)?\.cjs/.test(code))) {
    throw new Error(`unexpected files: ${output.map(({ fileName }) => fileName).join(', ')}`)
  }
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  for (const [name, code] of written) {
    if (programs.includes(name)) writeProgram(name, code)
    else write(name, code, chunk(name).exports.toSorted())
  }
}

/** What others take stands beside the public names, where nobody sees it. */
function withShared(code, names) {
  return [
    "Object.defineProperty(exports, '__esModule', { value: true })",
    'const $shared = {}',
    `Object.defineProperty(exports, ${SHARED}, { value: $shared })`,
    code.replaceAll('Object.defineProperty(exports, ', 'Object.defineProperty($shared, '),
    ...names.toSorted().map((name) => `exports.${name} = $shared.${name}`),
    '',
  ].join('\n')
}

// Not `import cjs from …`: where the required module throws, Node 20 ends the process even if the import is caught.
function write(entry, code, names) {
  const lines = [
    "import { createRequire } from 'node:module'",
    `const cjs = createRequire(import.meta.url)('./${entry}.cjs')`,
    ...names.map((name) => `export const ${name} = cjs.${name}`),
  ]
  const folder = join(root, 'dist')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${entry}.cjs`), code)
  writeFileSync(join(folder, `${entry}.mjs`), `${lines.join('\n')}\n`)
}

function writeProgram(name, code) {
  const file = join(root, 'dist', `${name}.cjs`)
  writeFileSync(file, `#!/usr/bin/env node\n${code}`)
  chmodSync(file, 0o755)
}

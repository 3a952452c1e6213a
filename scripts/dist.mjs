import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root, run } from './run.mjs'

/** ts/ → dist/index.cjs, one file, and dist/index.mjs, which re-exports it so that both share one class. */
export async function buildDist() {
  const { rolldown } = await import('rolldown')
  const bundle = await rolldown({
    input: join(root, 'ts/index.ts'),
    platform: 'node',
    external: /^@private\.me\//,
    tsconfig: join(root, 'tsconfig.json'),
  })
  const { output } = await bundle.write({
    file: join(root, 'dist/index.cjs'),
    format: 'cjs',
    exports: 'named',
    esModule: true,
    minify: false,
    comments: false,
  })
  await bundle.close()
  const names = output[0].exports.toSorted()
  // Not `import cjs from …`: where the required module throws, Node 20 ends the process even if the import is caught.
  const lines = [
    "import { createRequire } from 'node:module'",
    "const cjs = createRequire(import.meta.url)('./index.cjs')",
    ...names.map((name) => `export const ${name} = cjs.${name}`),
  ]
  writeFileSync(join(root, 'dist/index.mjs'), `${lines.join('\n')}\n`)
}

/** The declarations of ts/ in one file, index.d.ts. */
export function buildTypes() {
  const file = join(root, 'index.d.ts')
  run(process.execPath, [
    join(root, 'node_modules/dts-bundle-generator/dist/bin/dts-bundle-generator.js'),
    '--silent',
    '--no-banner',
    '--export-referenced-types=false',
    '--project',
    join(root, 'tsconfig.json'),
    '--out-file',
    file,
    join(root, 'ts/index.ts'),
  ])
  // Lets `using agent = …` type-check whatever `lib` the user's project has.
  const first = '/// <reference lib="esnext.disposable" preserve="true" />\n'
  const rest = readFileSync(file, 'utf8')
    .replace(/^\/\/\/ <reference .*\n/gm, '')
    .replaceAll('\t', '  ')
  writeFileSync(file, first + rest)
}

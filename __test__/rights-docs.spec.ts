// The guides: each is one program, which compiles and prints what is written below each part.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

const execute = promisify(execFile)
const root = resolve(import.meta.dirname, '..')
mkdirSync(join(root, 'target'), { recursive: true })
const folder = mkdtempSync(join(root, 'target/guides-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** The blocks marked `ts run`, each with the `text` block that follows it. */
function examples(guide: string): { code: string; output: string }[] {
  const text = readFileSync(join(root, 'docs/guides', `${guide}.md`), 'utf8')
  const blocks = [...text.matchAll(/^```([^\n]*)\n(.*?)^```$/gms)]
  return blocks.flatMap(([, kind, code = ''], i) => {
    const [, after, output = ''] = blocks[i + 1] ?? []
    return kind === 'ts run' ? [{ code, output: after === 'text' ? output : '' }] : []
  })
}

const guides = ['tokens', 'revocation', 'rotation', 'approval']
const mark = '── next ──'

beforeAll(async () => {
  for (const guide of guides) {
    const code = examples(guide).map((part) => part.code)
    writeFileSync(join(folder, `${guide}.mts`), code.join(`console.log('${mark}');\n`))
  }
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const options = ['--ignoreConfig', '--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node']
  const files = guides.map((guide) => `${guide}.mts`)
  const compiled = await execute(process.execPath, [tsc, ...options, ...files], { cwd: folder }).catch(
    (error: { stdout: string }) => error,
  )
  if (compiled.stdout !== '') throw new Error(compiled.stdout)
}, 300_000)

test.each(guides)('docs/guides/%s.md', async (guide) => {
  const parts = examples(guide)
  expect(parts.length).toBeGreaterThan(2)
  const { stdout, stderr } = await execute(process.execPath, [`${guide}.mjs`], { cwd: folder })
  expect(stderr).toBe('')
  expect(stdout.split(`${mark}\n`)).toEqual(parts.map(({ output }) => output))
})

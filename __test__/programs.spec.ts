// The documents with examples: each is one program, which compiles and prints what is written below each part.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { broker, type Broker } from './helpers/nats-server.ts'
import { workflow } from './helpers/workflow.ts'
import {
  blocks,
  compiled,
  examples,
  fileOf,
  mark,
  outputs,
  pattern,
  program,
  programs,
  root,
} from './helpers/guides.ts'

const execute = promisify(execFile)
mkdirSync(join(root, 'target'), { recursive: true })
const folder = mkdtempSync(join(root, 'target/programs-'))
afterAll(() => rmSync(folder, { recursive: true }))

let server: Broker
let users: Awaited<ReturnType<typeof workflow>>
afterAll(() => server.kill())
afterAll(() => users.stop())

beforeAll(async () => {
  server = await broker()
  users = await workflow()
  const write = (document: string, code: string) => writeFileSync(join(folder, `${fileOf(document)}.mts`), code)
  for (const document of programs) write(document, program(document))
  for (const document of compiled) write(document, blocks(document, 'ts').join(''))
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const options = ['--ignoreConfig', '--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node']
  const files = [...programs, ...compiled].map((document) => `${fileOf(document)}.mts`)
  const { stdout: wrong } = await execute(process.execPath, [tsc, ...options, ...files], { cwd: folder }).catch(
    (error: { stdout: string }) => error,
  )
  if (wrong !== '') throw new Error(wrong)
}, 300_000)

test.each(programs)('%s', async (document) => {
  expect(examples(document).length).toBeGreaterThan(2)
  const { stdout, stderr } = await execute(process.execPath, [`${fileOf(document)}.mjs`], {
    cwd: folder,
    env: { ...process.env, PASSPHRASE: 'of this test', NATS_URL: server.url, ...users.env('alice') },
  })
  expect(stderr).toBe('')
  const printed = stdout.split(`${mark}\n`)
  const wanted = outputs(document)
  expect(printed).toHaveLength(wanted.length)
  for (const [i, output] of wanted.entries()) expect(printed[i]?.trim()).toMatch(output)
})

test('there are guides, and the pattern of an output lets nothing but the dots vary', () => {
  expect(programs).toEqual(expect.arrayContaining(['README.md', 'docs/guides/tokens.md', 'docs/guides/transport.md']))
  expect(compiled).toContain('docs/guides/keys-elsewhere.md')
  expect("to: 'did:key:z6Mkx'").toMatch(pattern("to: 'did:key:z6Mk…'"))
  expect("to: 'did:key:z6Mkx', more").not.toMatch(pattern("to: 'did:key:z6Mk…'"))
  expect('a(b)').not.toMatch(pattern('a(c)'))
})

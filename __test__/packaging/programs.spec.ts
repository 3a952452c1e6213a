// The examples of README.md and of the guides, as the packed package brings them: each runs as it is printed.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { version } from '../../package.json'
import { broker, type Broker } from '../helpers/nats-server.ts'
import { examples, fileOf, mark, outputs, program, programs } from '../helpers/guides.ts'
import { workflow } from '../helpers/workflow.ts'
import { Project } from './project.ts'
import { succeeded } from './tools.ts'

const project = new Project('programs', 'npm', {
  dependencies: { '@private.me/autogen': version },
  devDependencies: {
    '@opentelemetry/api': '1.10.0',
    '@types/express': '5.0.6',
    '@types/node': '20.19.43',
    express: '5.3.0',
    fastify: '5.12.8',
    hono: '4.13.19',
    typescript: '6.0.3',
    zod: '4.6.7',
  },
})
const installed = join(project.folder, 'node_modules/@private.me/autogen')

process.env.PASSPHRASE = 'of this test'

let server: Broker
let users: Awaited<ReturnType<typeof workflow>>
afterAll(() => server.kill())
afterAll(() => users.stop())

beforeAll(async () => {
  server = await broker()
  users = await workflow()
  Object.assign(process.env, { NATS_URL: server.url }, users.env('alice'))
  await project.install()
  for (const document of programs) project.write(`${fileOf(document)}.mts`, program(document, installed))
  const files = programs.map((document) => `${fileOf(document)}.mts`)
  const options = ['--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node']
  succeeded(await project.bin(['tsc', ...options, ...files]))
})

test.each(programs)('%s', async (document) => {
  expect(examples(document, installed).length).toBeGreaterThan(2)
  const { code, stdout, stderr } = await project.node([`${fileOf(document)}.mjs`])
  expect([code, stderr]).toEqual([0, ''])
  const printed = stdout.split(`${mark}\n`)
  for (const [i, output] of outputs(document, installed).entries()) expect(printed[i]?.trim()).toMatch(output)
})

test('the package brings its guides', () => {
  expect(readdirSync(join(installed, 'docs/guides'))).toContain('transport.md')
})

// What agents do to the life of their process: programs of their own, run to their end.
import { expect, test } from 'vitest'
import { node, run } from './helpers/child.ts'

const imports = `import { AutoGenxBindAgent, MessageBus } from '@private.me/autogen'
`

test('an idle agent keeps no process alive', async () => {
  const { code, stdout, stderr } = await node(`${imports}
    const agents = Array.from({ length: 20 }, (_, n) => new AutoGenxBindAgent({ name: 'agent-' + n }))
    for (const agent of agents) agent.handle(({ payload }) => payload)
    console.log((await agents[0].call('agent-1', 'done')).value)
  `)
  expect([code, stdout, stderr]).toEqual([0, 'done\n', ''])
})

test('nor do timeouts of calls that have ended, waiting receivers without a time, and shared buses', async () => {
  const { code, stdout } = await node(`${imports}
    const bus = MessageBus.shared('all')
    const [one, two] = ['one', 'two'].map((name) => new AutoGenxBindAgent({ name, agentOptions: { bus, timeoutMs: 2 ** 31 - 1 } }))
    two.handle(({ payload }) => payload)
    console.log((await one.call('two', 'done')).value)
    one.receive({ waitMs: Infinity })
    void one.messages().next()
  `)
  expect([code, stdout]).toEqual([0, 'done\n'])
})

test('a pending call is waited for', async () => {
  const { code, stdout, stderr } = await node(`${imports}
    const [one, two] = ['one', 'two'].map((name) => new AutoGenxBindAgent({ name }))
    two.handle(() => new Promise((resolve) => setTimeout(resolve, 50, 'late').unref()))
    void one.call('two', 1).then((result) => console.log(result.value))
  `)
  expect([code, stdout, stderr]).toEqual([0, 'late\n', ''])
})

test('one that is never answered ends at its timeout, and then the process', async () => {
  const { code, stdout } = await node(`${imports}
    const [one, two] = ['one', 'two'].map((name) => new AutoGenxBindAgent({ name }))
    two.handle(() => new Promise(() => {}))
    void one.call('two', 1, { timeoutMs: 50 }).then((result) => console.log(result.error.code))
  `)
  expect([code, stdout]).toEqual([0, 'TIMEOUT\n'])
})

test('one that is given up is not waited for', async () => {
  const { code, stdout } = await node(`${imports}
    const [one, two] = ['one', 'two'].map((name) => new AutoGenxBindAgent({ name }))
    two.handle(() => new Promise(() => {}))
    const controller = new AbortController()
    void one.call('two', 1, { signal: controller.signal, timeoutMs: 2 ** 31 - 1 }).then((result) => console.log(result.error.code))
    setTimeout(() => controller.abort(), 20)
  `)
  expect([code, stdout]).toEqual([0, 'ABORTED\n'])
})

test('calls that share one abort signal warn of no leak', async () => {
  const { code, stdout, stderr } = await node(`${imports}
    const [one, two] = ['one', 'two'].map((name) => new AutoGenxBindAgent({ name }))
    two.handle(() => new Promise(() => {}))
    const controller = new AbortController()
    const { signal } = controller
    const ends = Array.from({ length: 100 }, () => [one.call('two', 1, { signal }), two.receive({ signal, waitMs: Infinity })]).flat()
    setTimeout(() => controller.abort(), 20)
    console.log([...new Set((await Promise.all(ends)).map((result) => result.error?.code))].join())
  `)
  expect([code, stdout, stderr]).toEqual([0, 'ABORTED\n', ''])
})

test('closing ends what is pending, and the process', async () => {
  const { code, stdout } = await node(`${imports}
    const [one, two] = ['one', 'two'].map((name) => new AutoGenxBindAgent({ name }))
    two.handle(() => new Promise(() => {}))
    void one.call('two', 1, { timeoutMs: 2 ** 31 - 1 }).then((result) => console.log(result.error.code))
    setTimeout(() => two.close(), 20)
  `)
  expect([code, stdout]).toEqual([0, 'AGENT_CLOSED\n'])
})

test('exit in the middle of everything is an exit', async () => {
  const { code, stderr } = await node(`${imports}
    const agents = Array.from({ length: 50 }, (_, n) => new AutoGenxBindAgent({ name: 'agent-' + n }))
    for (const agent of agents) agent.handle(async ({ payload }) => payload)
    for (let n = 0; n < 5000; n++) void agents[n % 50].call('agent-' + ((n + 1) % 50), n)
    setImmediate(() => process.exit(7))
  `)
  expect([code, stderr]).toEqual([7, ''])
})

test('nothing rejects, and nothing is left unhandled, whatever fails', async () => {
  const { code, stdout, stderr } = await node(`${imports}
    const bad = () => { throw new Error('x') }
    const provider = { getDID: () => new AutoGenxBindAgent().getDID(), sign: async () => bad(), exportPKCS8: async () => bad() }
    const lines = []
    const note = (line) => void lines.push(line)
    const logger = { debug: note, info: note, warn: note, error: note }
    const configs = [{ name: 'one' }, { name: 'two' }, { identityProvider: provider }]
    const [one, two, odd] = configs.map((config) => new AutoGenxBindAgent({ logger, ...config }))
    const handlers = [bad, async () => bad(), () => Promise.reject(), () => ({ then: bad }), () => 5n, () => two.close()]
    const codes = []
    for (const handler of handlers) {
      two.handle(handler)
      codes.push((await one.call('two', 1)).error.code)
    }
    const ended = [
      one.call('two', 1), one.send('none', 1), one.call('', 1), one.call(odd.getDID(), 1), odd.call('one', 1), odd.exportIdentity(),
      AutoGenxBindAgent.fromIdentity(new Uint8Array(5)), AutoGenxBindAgent.fromIdentity('x', { name: '-' }),
      one.receive({ max: -1 }), one.call(odd.getDID(), 5n), one.call(odd.getDID(), 1, { signal: AbortSignal.abort() }),
      one.exportIdentity({ passphrase: '' }),
    ]
    // Nobody looks at these: a rejection would end the process with code 1.
    void one.call('two', 1); void two.receive(); void two.exportIdentity()
    for (const end of ended) { const result = await end; codes.push(result.ok ? 'ok' : result.error.code) }
    console.log(codes.join())
  `)
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout.trim().split(',')).toEqual([
    ...Array.from({ length: 5 }, () => 'HANDLER_FAILED'),
    'AGENT_CLOSED',
    'AGENT_NOT_FOUND',
    'AGENT_NOT_FOUND',
    'INVALID_NAME',
    'ok', // by the agent whose DID it is, not by the one that only names it
    'SIGN_FAILED',
    'EXPORT_FAILED',
    'IMPORT_FAILED',
    'IMPORT_FAILED',
    'INVALID_CONFIG',
    'INVALID_PAYLOAD',
    'ABORTED',
    'EXPORT_FAILED',
  ])
})

test('CommonJS and ES modules share one class and one bus', async () => {
  const { code, stdout } = await run(process.execPath, [
    '--input-type=commonjs',
    '-e',
    `
    const cjs = require('@private.me/autogen')
    import('@private.me/autogen').then(async (esm) => {
      const [one, two] = [new cjs.AutoGenxBindAgent({ name: 'one' }), new esm.AutoGenxBindAgent({ name: 'two' })]
      two.handle(() => 'reached')
      console.log(cjs.Identity === esm.Identity, (await one.call('two', 1)).value)
    })`,
  ])
  expect([code, stdout]).toEqual([0, 'true reached\n'])
})

test('the quick start runs, and writes no colour', async () => {
  const { code, stdout, stderr } = await run(process.execPath, ['examples/quickstart/index.mjs'])
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(/NOT_ALLOWED[^]*All as expected\.\n$/)
  expect(stdout).not.toContain('\u001b')
})

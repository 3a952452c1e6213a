// A process whose agent has a mailbox on a bus over NATS, and reads what comes: each message on standard output.
import { writeSync } from 'node:fs'
import { AutoGenxBindAgent, Identity } from '@private.me/autogen'
import { connect } from '@private.me/autogen/nats'

const [, , servers, name, seed, namespace] = process.argv
// At once, so that what was read is known even if the process is killed next.
const say = (line) => writeSync(1, `${JSON.stringify(line)}\n`)
let connected = await connect({ servers: servers.split(','), namespace })
while (!connected.ok && connected.error.retryable) connected = await connect({ servers: servers.split(','), namespace })
if (!connected.ok) throw connected.error
const bus = connected.value
const identityProvider = Identity.fromSeed(new Uint8Array(32).fill(Number(seed))).value
const agent = new AutoGenxBindAgent({ name, identityProvider, agentOptions: { bus } })
// Three servers that have just found each other keep nothing yet.
let opened = await bus.mailbox(agent)
while (!opened.ok && opened.error.retryable) opened = await bus.mailbox(agent)
if (!opened.ok) throw opened.error
say({ did: agent.getDID(), pid: process.pid })
setInterval(() => undefined, 1000)
for await (const { payload } of agent.messages()) say({ handled: payload })

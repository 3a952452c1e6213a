// The other process of nats-fleet.mjs.
import { once } from 'node:events'
import { reply } from '../lib/load.mjs'

process.on('disconnect', () => process.exit())
const [{ ways, url, space, count }] = await once(process, 'message')
const { answers } = await import(ways)
const { shown, meet } = await answers(url, space, count, reply)
process.on('message', ({ callers }) => {
  meet(callers)
  process.send({})
})
process.send(shown)

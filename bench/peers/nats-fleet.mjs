// Agents of two processes on NATS, behind the interface that the suites drive: those that answer are in the other one. `ways` is
// the module that says how: `answers(url, space, count, handler)` and `calls(url, space, count, shown)`.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

let fleets = 0

export const natsFleet = (ways) => async (urls, count) => {
  const space = `bench-${process.pid}-${(fleets += 1)}`
  const there = fork(fileURLToPath(new URL('nats-answers.mjs', import.meta.url)), { serialization: 'advanced' })
  const asked = (message) => {
    there.send(message)
    return once(there, 'message').then(([answer]) => answer)
  }
  const shown = await asked({ ways, url: urls.at(-1), space, count })
  const { calls } = await import(ways)
  const here = await calls(urls[0], space, count, shown)
  if (here.shown) await asked({ callers: here.shown })
  return {
    call: here.call,
    close: async () => {
      await here.close()
      there.disconnect()
    },
  }
}

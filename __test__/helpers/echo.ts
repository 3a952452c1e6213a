import type { Make } from './bus.ts'

/** Sends a payload there and back; what arrives there, and what comes back. */
export async function echo(agent: Make, payload: unknown, agentOptions = {}) {
  const callee = agent({ agentOptions })
  const caller = agent({ agentOptions })
  let arrived: unknown
  callee.handle(({ payload: there }) => {
    arrived = there
    return there
  })
  const result = await caller.call(callee.getDID(), payload)
  return { arrived, result }
}

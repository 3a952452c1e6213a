// This package again, where every call must present a token of an operator whom the recipient trusts.
import { AutoGenxBindAgent, MessageBus } from '../../dist/index.mjs'
import { RevocationList } from '../../dist/tokens.mjs'

const SCOPE = 'report.summarise'

export async function fleet(count, handler, { timeoutMs } = {}) {
  const agentOptions = { bus: new MessageBus(), ...(timeoutMs && { timeoutMs }) }
  const operator = new AutoGenxBindAgent({ agentOptions })
  const policy = { trust: [operator.getDID()], scopes: [SCOPE], revocations: new RevocationList() }
  const agents = Array.from({ length: count }, (_, i) =>
    new AutoGenxBindAgent({ name: `agent-${i}`, agentOptions }).handle(handler, policy),
  )
  // Each agent has a token for its neighbour.
  const tokens = await Promise.all(
    agents.map(async (agent, i) => {
      const audience = agents[(i + 1) % count].getDID()
      const granted = await operator.grant({ subject: agent.getDID(), audience, scopes: [SCOPE] })
      if (granted.ok) return granted.value
      throw granted.error
    }),
  )
  const bare = await agents[0].call('agent-1', {})
  if (bare.ok || bare.error.code !== 'SCOPE_DENIED') throw new Error('accepts a call without a token')
  return {
    call: async (from, to, payload) => {
      const result = await agents[from].call(`agent-${to}`, payload, { token: tokens[from] })
      if (result.ok) return result.value
      throw result.error
    },
    close: () => {
      for (const agent of [operator, ...agents]) agent.close()
      agentOptions.bus.close()
    },
  }
}

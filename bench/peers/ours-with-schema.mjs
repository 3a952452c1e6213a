// This package again, where every call asks for a method whose payload and answer have a schema of zod.
import { z } from 'zod'
import { AutoGenxBindAgent, MessageBus } from '../../dist/index.mjs'

const input = z.object({
  task: z.string(),
  seq: z.number(),
  document: z.object({ id: z.string(), pages: z.number().int(), language: z.string() }),
  brief: z.string(),
  tags: z.array(z.string()),
  urgent: z.boolean(),
})
const output = z.object({
  seq: z.number(),
  status: z.enum(['done', 'failed']),
  document: z.string(),
  finding: z.string(),
  confidence: z.number().min(0).max(1),
  tokens: z.object({ read: z.number().int(), written: z.number().int() }),
})

export async function fleet(count, handler, { timeoutMs } = {}) {
  const agentOptions = { bus: new MessageBus(), ...(timeoutMs && { timeoutMs }) }
  const agents = Array.from({ length: count }, (_, i) =>
    new AutoGenxBindAgent({ name: `agent-${i}`, agentOptions }).handle('summarise', handler, { input, output }),
  )
  const wrong = await agents[0].call('agent-1', { task: 1 }, { method: 'summarise' })
  if (wrong.ok || wrong.error.code !== 'INVALID_INPUT') throw new Error('accepts what does not fit')
  return {
    call: async (from, to, payload) => {
      const result = await agents[from].call(`agent-${to}`, payload, { method: 'summarise' })
      if (result.ok) return result.value
      throw result.error
    },
    close: () => {
      for (const agent of agents) agent.close()
      agentOptions.bus.close()
    },
  }
}

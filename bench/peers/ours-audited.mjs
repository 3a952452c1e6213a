// This package again, with a log of what is decided.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AutoGenxBindAgent, Identity, MessageBus } from '../../dist/index.mjs'
import { openAuditLog } from '../../dist/record.mjs'

export async function opened(sync) {
  const path = join(mkdtempSync(join(tmpdir(), 'bench-audit-')), 'audit.jsonl')
  const log = await openAuditLog(path, { signer: Identity.generate(), sync })
  if (log.ok) return log.value
  throw log.error
}

export async function audited(sync, count, handler, { timeoutMs } = {}) {
  const bus = new MessageBus({ audit: await opened(sync) })
  const agentOptions = { bus, ...(timeoutMs && { timeoutMs }) }
  const agents = Array.from({ length: count }, (_, i) =>
    new AutoGenxBindAgent({ name: `agent-${i}`, agentOptions }).handle(handler),
  )
  return {
    call: async (from, to, payload) => {
      const answer = await agents[from].call(`agent-${to}`, payload)
      if (answer.ok) return answer.value
      throw answer.error
    },
    close: () => bus.close(),
  }
}

export const fleet = (...given) => audited('batch', ...given)

export async function lines(records) {
  const log = await opened('none')
  const from = Identity.generate().did
  const record = { event: 'call', outcome: 'accepted', from, method: 'summarise', messageId: 'AAECAwQFBgcICQoLDA0ODw' }
  const startedAt = performance.now()
  for (let written = 0; written < records;) {
    if (log.append(record)) written += 1
    else await log.flush()
  }
  await log.close()
  return (performance.now() - startedAt) / 1000
}

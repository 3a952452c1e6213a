// This package again, with a log of what is decided.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Identity, MessageBus } from '../../dist/index.mjs'
import { openAuditLog } from '../../dist/record.mjs'
import { fleetOn } from './ours.mjs'

export async function opened(sync) {
  const path = join(mkdtempSync(join(tmpdir(), 'bench-audit-')), 'audit.jsonl')
  const log = await openAuditLog(path, { signer: Identity.generate(), sync })
  if (log.ok) return log.value
  throw log.error
}

export const audited = async (sync, ...given) => fleetOn(new MessageBus({ audit: await opened(sync) }), ...given)

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

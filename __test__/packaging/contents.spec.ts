import { readFileSync, readdirSync, statSync } from 'node:fs'
import { join, posix } from 'node:path'
import { expect, inject, test } from 'vitest'
import { entries, programs } from '../../scripts/entries.mjs'
import { targets, thisPlatform } from '../../scripts/platforms.mjs'
import { execute } from './execute.ts'

interface Manifest {
  name: string
  version: string
  license: string
  engines: { node: string }
  os?: string[]
  cpu?: string[]
  libc?: string[]
  files: string[]
  optionalDependencies?: Record<string, string>
}

const root = join(import.meta.dirname, '../..')
const read = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
const main = read(root)

async function files(tarball: string): Promise<string[]> {
  return (await execute(root, 'tar', ['-tzf', tarball])).trim().split('\n').toSorted()
}

test('the main package holds what it needs, with its documents, and no binary', async () => {
  const parts = entries.flatMap((name) => [`dist/${name}.cjs`, `dist/${name}.mjs`, `${name}.d.ts`, `${name}.d.mts`])
  const documents = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .map((file) => `docs/${file.replaceAll('\\', '/')}`)
  const commands = programs.map((name) => `dist/${name}.cjs`)
  const others = ['ARCHITECTURE.md', 'CHANGELOG.md', 'LICENSE', 'README.md', 'SECURITY.md', 'package.json']
  expect(documents).toEqual(expect.arrayContaining(['docs/api.md', 'docs/guides/transport.md']))
  expect(await files(inject('tarball'))).toEqual(
    [...parts, ...commands, ...documents, ...others].map((file) => `package/${file}`).toSorted(),
  )
})

test('whatever its documents link to is in the package', async () => {
  const inside = new Set(await files(inject('tarball')))
  const folders = [...inside].map((file) => file.slice(0, file.lastIndexOf('/')))
  const dead = [...inside]
    .filter((file) => file.endsWith('.md'))
    .flatMap((file) => {
      const text = readFileSync(join(inject('tarball'), '../unpacked', file), 'utf8').replaceAll(/^```.*?^```/gms, '')
      const links = Array.from(text.matchAll(/\]\(([^)\s]+)\)/g), ([, link = '']) => link)
      expect([file, links.length > 0 || !file.endsWith('README.md')]).toEqual([file, true])
      const local = links.filter((link) => !/^(?:[a-z]+:|#)/.test(link))
      const paths = local.map((link) => posix.join(posix.dirname(file), link.replace(/#.*/, '')).replace(/\/$/, ''))
      return paths.filter((path) => !inside.has(path) && !folders.includes(path)).map((path) => `${file}: ${path}`)
    })
  expect(dead).toEqual([])
})

test('the platform package holds one binary', async () => {
  expect(await files(inject('platformTarball'))).toEqual(
    ['LICENSE', 'README.md', 'package.json', `xbind.${thisPlatform()}.node`].map((file) => `package/${file}`),
  )
})

// Where the profile of releases is not changed for a quick build, and the linker is the one that folds.
const isFolded = thisPlatform() === 'linux-x64-gnu' && process.env['CARGO_PROFILE_RELEASE_LTO'] === undefined
test.runIf(isFolded)('the binary has fewer than 12,250,000 bytes', () => {
  const file = join(root, 'npm', thisPlatform(), `xbind.${thisPlatform()}.node`)
  expect(statSync(file).size).toBeLessThan(12_250_000)
})

test('the main package asks for every platform package, in its own version', () => {
  const { optionalDependencies } = read(join(inject('tarball'), '../unpacked/package'))
  const wanted = Object.keys(targets).map((platform) => [`${main.name}-${platform}`, main.version])
  expect(optionalDependencies).toEqual(Object.fromEntries(wanted))
  expect(main.optionalDependencies).toBeUndefined()
})

test('there is one folder per platform, and one version everywhere', () => {
  expect(readdirSync(join(root, 'npm')).toSorted()).toEqual(Object.keys(targets).toSorted())
  expect(/^version = "(.+)"$/m.exec(readFileSync(join(root, 'Cargo.toml'), 'utf8'))?.[1]).toBe(main.version)
})

test('the loader knows every platform package, and no other', () => {
  const loader = readFileSync(join(inject('tarball'), '../unpacked/package/dist/index.cjs'), 'utf8')
  const required = Array.from(
    loader.matchAll(/require\("@private\.me\/autogen-(.+?)"\)/g),
    ([, platform = '']) => platform,
  )
  expect(new Set(required)).toEqual(new Set(Object.keys(targets)))
})

test.each(Object.keys(targets))('%s is for the machine that its name says', (platform) => {
  const [os, cpu, abi] = platform.split('-')
  const manifest = read(join(root, 'npm', platform))
  expect(manifest).toMatchObject({
    name: `${main.name}-${platform}`,
    version: main.version,
    license: main.license,
    engines: main.engines,
    os: [os],
    cpu: [cpu],
    files: [`xbind.${platform}.node`],
  })
  expect(manifest.libc).toEqual(os === 'linux' ? [abi === 'gnu' ? 'glibc' : 'musl'] : undefined)
})

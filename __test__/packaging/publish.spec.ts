// A release that stops half way is finished by running it again.
import { cpSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { version } from '../../package.json'
import { targets, thisPlatform } from '../../scripts/platforms.mjs'
import { attempt, execute } from './execute.ts'

const root = join(import.meta.dirname, '../..')
const folder = join(inject('temp'), 'publish')
const packages = join(folder, 'packages')

/** What was published, in order; a name in `refused` gets an error. */
const published: string[] = []
const documents = new Map<string, string>()
const refused = new Set<string>()
const server = createServer((request, response) => {
  const name = decodeURIComponent(request.url ?? '').slice(1)
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    if (request.method === 'GET') {
      const document = documents.get(name)
      response.writeHead(document === undefined ? 404 : 200).end(document ?? '{}')
    } else if (refused.has(name) || documents.has(name)) {
      response.writeHead(documents.has(name) ? 403 : 400).end('{"error":"no"}')
    } else {
      published.push(name)
      documents.set(name, Buffer.concat(chunks).toString())
      response.writeHead(201).end('{}')
    }
  })
})

function publish(): ReturnType<typeof attempt> {
  const { port } = server.address() as AddressInfo
  const registry = `http://127.0.0.1:${port}/`
  writeFileSync(join(packages, '.npmrc'), `registry=${registry}\n//127.0.0.1:${port}/:_authToken=x\n`)
  const script = join(root, 'scripts/publish.mjs')
  const options = ['--registry', registry, '--userconfig', join(packages, '.npmrc'), '--fetch-retries', '0']
  return attempt(packages, process.execPath, [script, 'publish', packages, ...options])
}

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  mkdirSync(packages, { recursive: true })
  cpSync(inject('tarball'), join(packages, 'main.tgz'))
  cpSync(inject('platformTarball'), join(packages, 'this.tgz'))
  for (const platform of Object.keys(targets).filter((name) => name !== thisPlatform())) {
    const made = join(folder, platform)
    cpSync(join(root, 'npm', platform), made, { recursive: true })
    writeFileSync(join(made, `xbind.${platform}.node`), 'stands for a binary')
    await execute(made, 'npm', ['pack', '--pack-destination', packages])
  }
})
afterAll(() => server.close())

const main = '@private.me/autogen'
const platforms = Object.keys(targets).map((platform) => `${main}-${platform}`)

test('without one of the binaries nothing is published', async () => {
  const aside = readFileSync(join(packages, 'this.tgz'))
  writeFileSync(join(packages, 'this.tgz'), readFileSync(join(packages, 'main.tgz')))
  const { code, stderr } = await publish()
  writeFileSync(join(packages, 'this.tgz'), aside)
  expect([code, published]).toEqual([1, []])
  expect(stderr).toContain(`lacks ${main}-${thisPlatform()}`)
})

test('binaries first; where one is refused it stops, and the next run goes on', async () => {
  const last = platforms.at(-1) ?? ''
  refused.add(last)
  const first = await publish()
  expect(first.code).toBe(1)
  expect(first.stderr).toContain(`${last} ${version} is not published; run this again`)
  expect(published).not.toContain(main)
  const before = published.length
  refused.clear()
  const second = await publish()
  expect(`${second.stdout}${second.stderr}\nexit code ${second.code}`).toMatch(/exit code 0$/)
  expect(second.stdout.match(/is published already/g) ?? []).toHaveLength(before)
  expect(published.toSorted()).toEqual([main, ...platforms].toSorted())
  expect(published.at(-1)).toBe(main)
})

test('once all is there, another run changes nothing', async () => {
  const count = published.length
  const { code, stdout } = await publish()
  expect([code, published.length]).toEqual([0, count])
  expect(stdout.match(/is published already/g)).toHaveLength(platforms.length + 1)
})

test('a registry that does not answer is no registry that lacks the package', async () => {
  const aside = documents.get(main) ?? ''
  documents.set(main, 'no JSON')
  const { code, stderr } = await publish()
  documents.set(main, aside)
  expect(code).toBe(1)
  expect(stderr).toContain('does not say whether it has')
})

test('packing wants every binary, and leaves the folder as it was', async () => {
  const script = join(root, 'scripts/publish.mjs')
  const to = join(folder, 'packed')
  const { code, stderr } = await attempt(root, process.execPath, [script, 'pack', to])
  if (
    readdirSync(join(root, 'npm')).every((name) =>
      readdirSync(join(root, 'npm', name)).some((file) => file.endsWith('.node')),
    )
  )
    return
  expect(code).toBe(1)
  expect(stderr).toContain('there is no binary for')
  expect(readdirSync(to)).toEqual([])
})

test('a build server says in the manifest where it built', async () => {
  const copy = join(folder, 'copy')
  for (const part of ['package.json', 'scripts', 'npm']) cpSync(join(root, part), join(copy, part), { recursive: true })
  const env = { GITHUB_SERVER_URL: 'https://git.example', GITHUB_REPOSITORY: 'some/where' }
  await execute(copy, process.execPath, ['scripts/manifest.mjs', 'add'], env)
  await execute(copy, process.execPath, ['scripts/manifest.mjs', 'platform', 'darwin-x64'], env)
  const repository = { type: 'git', url: 'git+https://git.example/some/where.git' }
  const links = { homepage: 'https://git.example/some/where#readme', bugs: 'https://git.example/some/where/issues' }
  const read = (file: string): unknown => JSON.parse(readFileSync(join(copy, file), 'utf8'))
  expect(read('package.json')).toMatchObject({ repository, ...links })
  expect(read('npm/darwin-x64/package.json')).toMatchObject({
    repository: { ...repository, directory: 'npm/darwin-x64' },
    ...links,
  })
  await execute(copy, process.execPath, ['scripts/manifest.mjs', 'remove'], env)
  expect(read('package.json')).toEqual(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')))
})

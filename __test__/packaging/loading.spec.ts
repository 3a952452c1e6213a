import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { version } from '../../package.json'
import { thisPlatform } from '../../scripts/platforms.mjs'
import { Project } from './project.ts'

const platformPackage = `@private.me/autogen-${thisPlatform()}`

/** The error that importing the package ends in, as JSON. */
async function importing(project: Project, before = ''): Promise<{ code: string; message: string; cause: string }> {
  const report = 'console.log(JSON.stringify({ code: e.code, message: e.message, cause: e.cause?.message ?? "" }))'
  const program = `${before}; import('@private.me/autogen').then(() => process.exit(2), (e) => ${report})`
  const { code, stdout, stderr } = await project.node(['-e', program])
  expect(`${stderr}\nexit code ${code}`).toMatch(/exit code 0$/)
  return JSON.parse(stdout)
}

async function installed(name: string, ...options: string[]): Promise<Project> {
  const project = new Project(name, 'npm', { dependencies: { '@private.me/autogen': version } })
  await project.install(...options)
  return project
}

test('without its platform package it says which one is missing, and why that may be', async () => {
  const error = await importing(await installed('missing', '--omit=optional'))
  expect(error.code).toBe('INTERNAL')
  expect(error.message).toContain(platformPackage)
  expect(error.message).toContain('is not installed')
  expect(error.message).toContain('install again on this machine')
})

test('with a binary that does not load it says what the system says', async () => {
  const project = await installed('broken')
  const folder = join(project.folder, 'node_modules', platformPackage)
  writeFileSync(join(folder, `xbind.${thisPlatform()}.node`), 'not a shared library')
  const error = await importing(project)
  expect(error.code).toBe('INTERNAL')
  expect(error.message).toContain('does not load')
  expect(error.cause).not.toBe('')
  expect(error.message).toContain(error.cause)
})

test('with a platform package that lost its binary it says that it is missing', async () => {
  const project = await installed('lost')
  const folder = join(project.folder, 'node_modules', platformPackage)
  rmSync(join(folder, `xbind.${thisPlatform()}.node`))
  expect((await importing(project)).message).toContain('is not installed')
})

test.each([
  ['freebsd', 'x64'],
  ['linux', 'riscv64'],
])('on %s-%s it says what it runs on', async (platform, arch) => {
  const project = await installed(`unsupported-${platform}-${arch}`)
  const before = `Object.defineProperties(process, { platform: { value: '${platform}' }, arch: { value: '${arch}' } })`
  const error = await importing(project, before)
  expect(error.code).toBe('INTERNAL')
  expect(error.message).toContain(`no binary for ${platform}-${arch}`)
  expect(error.message).toContain('Linux, macOS and Windows')
})

test('npm installs the binary of this machine and no other', async () => {
  const project = await installed('one-binary')
  const found = readdirSync(join(project.folder, 'node_modules/@private.me')).toSorted()
  expect(found).toEqual(['autogen', platformPackage.replace('@private.me/', '')])
})

import { expect, test } from 'vitest'
import { version } from '../../package.json'
import { Project } from './project.ts'

test('two packages of a pnpm workspace have agents that call each other', async () => {
  const project = new Project('workspace', 'pnpm', { name: 'workspace' })
  const dependencies = { '@private.me/autogen': version }
  project.write('pnpm-workspace.yaml', 'packages: [packages/*]\n')
  project.write('packages/writer/package.json', JSON.stringify({ name: 'writer', main: 'index.cjs', dependencies }))
  project.write(
    'packages/writer/index.cjs',
    `const { AutoGenxBindAgent } = require('@private.me/autogen')
    exports.writer = new AutoGenxBindAgent({ name: 'writer' }).handle(({ payload }) => payload + 1)`,
  )
  const both = { ...dependencies, writer: 'workspace:*' }
  project.write('packages/researcher/package.json', JSON.stringify({ name: 'researcher', dependencies: both }))
  project.write(
    'packages/researcher/index.mjs',
    `import { AutoGenxBindAgent } from '@private.me/autogen'
    import { writer } from 'writer'
    const researcher = new AutoGenxBindAgent({ name: 'researcher' }).handle(({ payload }) => payload * 2)
    const there = await researcher.call('writer', 1)
    const back = await writer.call('researcher', there.value)
    console.log(JSON.stringify([there.value, back.value]))`,
  )
  await project.install()
  const { stdout, stderr } = await project.node(['packages/researcher/index.mjs'])
  expect(stderr).toBe('')
  expect(JSON.parse(stdout)).toEqual([2, 4])
})

// Other runtimes than Node.js, as npm brings them.
import { expect, test } from 'vitest'
import { version } from '../../package.json'
import { attempt } from './execute.ts'
import { Project } from './project.ts'
import { succeeded } from './tools.ts'

const runtimes = {
  bun: { version: '1.4.5', run: [] },
  deno: { version: '2.9.6', run: ['run', '--no-prompt', '--allow-ffi', '--allow-read'] },
}

test.each(Object.entries(runtimes))('%s', async (name, { version: wanted, run }) => {
  const project = new Project(name, 'npm', {
    dependencies: { '@private.me/autogen': version },
    devDependencies: { [name]: wanted },
    allowScripts: { [name]: true },
  })
  project.copy('project')
  await project.install()
  const there = await attempt(project.folder, 'npx', ['--no-install', name, '--version'])
  if (there.code !== 0) {
    process.stderr.write(`${name} is not tried: npm has none for this machine: ${there.stderr.trim()}\n`)
    return
  }
  expect(there.stdout).toContain(wanted)
  const env = { DENO_DIR: `${project.folder}/.deno`, DENO_NO_UPDATE_CHECK: '1' }
  for (const file of ['import.mjs', 'require.cjs', 'both.mjs']) {
    const ended = await attempt(project.folder, 'npx', ['--no-install', name, ...run, file], env)
    succeeded(ended, 'the agents talked')
  }
  for (const file of ['subpaths.mjs', 'subpaths.cjs']) {
    const ended = await attempt(project.folder, 'npx', ['--no-install', name, ...run, file], env)
    succeeded(ended, 'the parts are one')
  }
})

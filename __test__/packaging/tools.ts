import { beforeAll, describe, expect, test } from 'vitest'
import { version } from '../../package.json'
import type { Ended } from './execute.ts'
import { type Client, Project } from './project.ts'

// TypeScript learns of Plug'n'Play from a patch that Yarn has for the package of this name only.
const patched = { typescript: '6.0.3' }
const typescripts = { ...patched, 'typescript-5': 'npm:typescript@5.9.3', 'typescript-7': 'npm:typescript@^7' }

/** Installs one project with `client` and uses the package there with every tool. */
export function everyTool(client: Client): void {
  const compilers = client === 'yarn with PnP' ? patched : typescripts
  const manifest = {
    dependencies: { '@private.me/autogen': version },
    devDependencies: {
      '@types/jest': '30.0.0',
      '@types/node': '20.19.43',
      jest: '30.5.2',
      'jest-environment-jsdom': '30.5.2',
      'jest-util': '30.5.1',
      'ts-jest': '29.4.15',
      vitest: '4.1.12',
      ...compilers,
    },
    // Yarn resolves the binaries of every machine, and in this release of Jest's resolver they all exist.
    resolutions: { 'unrs-resolver': '1.12.2' },
  }

  describe(client, () => {
    const project = new Project(client.replaceAll(' ', '-'), client, manifest)

    beforeAll(async () => {
      project.copy('project')
      await project.install()
    })

    test.each(['import.mjs', 'require.cjs', 'both.mjs'])('%s', async (file) => {
      succeeded(await project.node([file]), 'the agents talked')
    })

    test.each(['subpaths.mjs', 'subpaths.cjs'])('%s', async (file) => {
      succeeded(await project.node([file]), 'the parts are one')
    })

    test('the command', async () => {
      succeeded(await project.bin(['xbind', '--version']), `xbind ${version}`)
      if (client === 'npm') succeeded(await project.bin(['@private.me/autogen', '--version']), `xbind ${version}`)
    })

    describe.each(Object.entries(compilers))('%s, %s', (compiler) => {
      test.each(['nodenext', 'bundler'])('%s', async (resolution) => {
        const out = `out/${compiler}-${resolution}`
        const options = ['--project', `tsconfig.${resolution}.json`, '--outDir', out]
        const file = `node_modules/${compiler}/bin/tsc`
        succeeded(await (compilers === patched ? project.bin(['tsc', ...options]) : project.node([file, ...options])))
        succeeded(await project.node([`${out}/typed.mjs`]), 'the agents talked')
        succeeded(await project.node([`${out}/parts.mjs`]), 'the parts are one')
      })
    })

    // The resolution that knows no "exports"; newer compilers have none such, and Yarn's patch is not for the older one.
    if (compilers !== patched) {
      test('TypeScript 5.9, node10', async () => {
        const file = 'node_modules/typescript-5/bin/tsc'
        succeeded(await project.node([file, '--project', 'tsconfig.node10.json', '--outDir', 'out/node10']))
        succeeded(await project.node(['out/node10/parts.cjs']), 'the parts are one')
      })
    }

    test.each(['forks', 'threads', 'vmThreads'])('Vitest, %s', async (pool) => {
      succeeded(await project.bin(['vitest', 'run', `--pool=${pool}`]), '1 passed')
    })

    test.each(['jest.plain.json', 'jest.ts.json'])('Jest, %s', async (config) => {
      succeeded(await project.bin(['jest', '--config', config]), '1 passed')
    })

    test('Jest, jsdom', async () => {
      succeeded(await project.bin(['jest', '--config', 'jest.jsdom.json']), '3 passed')
    })
  })
}

export function succeeded({ code, stdout, stderr }: Ended, telling = ''): void {
  expect(`${stdout}${stderr}\nexit code ${code}`).toMatch(/exit code 0$/)
  expect(stdout + stderr).toContain(telling)
}

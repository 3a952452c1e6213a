// What the build server does, as far as it can be seen without one.
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { targets } from '../scripts/platforms.mjs'

const folder = resolve(import.meta.dirname, '../.github/workflows')
const read = (file: string): string => readFileSync(join(folder, file), 'utf8')

/** The text of each job. */
function jobs(file: string): Map<string, string> {
  const [, text = ''] = read(file).split(/^jobs:\n/m)
  const parts = text.split(/^ {2}(\w[\w-]*):\n/m).slice(1)
  return new Map(parts.flatMap((name, i) => (i % 2 === 0 ? [[name, parts[i + 1] ?? '']] : [])))
}

test.each(readdirSync(folder))('%s takes the actions of others at one commit', (file) => {
  const used = Array.from(read(file).matchAll(/uses: (.*)/g), ([, action = '']) => action)
  expect(used.length).toBeGreaterThan(0)
  expect(used.filter((action) => !/@[0-9a-f]{40} # v[\d.]+$/.test(action))).toEqual([])
})

test('every push and every release runs what .ci/run runs', () => {
  expect(read('ci.yml')).toMatch(/push:\n {4}branches: \[main\]\n {2}pull_request:/)
  for (const file of ['ci.yml', 'release.yml']) expect(read(file)).toContain('- run: .ci/run')
})

test('a job of the release that brings no Rust builds nothing with it', () => {
  const without = [...jobs('release.yml')].filter(([, job]) => !/rustup|\.ci\/run/.test(job))
  expect(without.map(([name]) => name)).toEqual(['test', 'test-musl', 'publish'])
  for (const [name, job] of without) {
    expect([name, job]).toEqual([name, expect.not.stringMatching(/cargo|npm (test|start)|npm run (build|test)/)])
    for (const [, step] of job.matchAll(/build\.mjs(.*?)(?: &&|$)/gm)) expect([name, step]).toEqual([name, ' dist'])
    if (/vitest/.test(job)) expect(job).toContain('XBIND_HOOKS')
  }
})

test('nothing is published before everything was tried, for every platform', () => {
  const all = jobs('release.yml')
  const needs = /needs: \[(.*)\]/.exec(all.get('publish') ?? '')?.[1]?.split(', ')
  expect(needs).toEqual([...all.keys()].filter((name) => name !== 'publish' && name !== 'build'))
  for (const job of ['test', 'test-musl']) expect(all.get(job)).toContain('needs: build')
  const tried = `${all.get('test')}${all.get('test-musl')}`
  for (const platform of Object.keys(targets)) {
    expect(all.get('build')).toContain(`platform: ${platform}, `)
    expect(tried).toContain(`platform: ${platform}, `)
  }
})

import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './run.mjs'

/** Runs the specs of one configuration with one Node.js, and counts. */
export function vitest(config, { node = process.execPath, args = [], env = process.env } = {}) {
  const file = join(root, 'target/vitest.json')
  mkdirSync(join(root, 'target'), { recursive: true })
  rmSync(file, { force: true })
  const script = join(root, 'node_modules/vitest/vitest.mjs')
  const reports = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`]
  const options = { cwd: root, stdio: 'inherit', env }
  const { status } = spawnSync(node, [script, 'run', '--config', config, ...reports, ...args], options)
  try {
    const { numPassedTests, numFailedTests } = JSON.parse(readFileSync(file, 'utf8'))
    return { passed: numPassedTests, failed: numFailedTests, code: status }
  } catch {
    return { passed: 0, failed: 0, code: status || 1 }
  }
}

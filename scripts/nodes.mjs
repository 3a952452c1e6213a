// The oldest and the newest Node.js that are supported, as npm has them: one package per machine, with the program alone.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { npm, root } from './run.mjs'

const majors = ['20', '26']

/** Those that this script is not running on itself: major version → the program. */
export function otherNodes() {
  const others = majors.filter((major) => !process.versions.node.startsWith(`${major}.`))
  if (process.platform === 'linux' && process.report.getReport().header.glibcVersionRuntime === undefined) {
    console.log(`Node.js ${others.join(' and ')} are not tried: npm has none for musl`)
    return new Map()
  }
  return new Map(others.map((major) => [major, install(major)]))
}

function install(major) {
  const windows = process.platform === 'win32'
  const name = `node-${windows ? 'win' : process.platform}-${process.arch}`
  const folder = join(root, 'target/nodes', major)
  const program = join(folder, 'node_modules', name, 'bin', windows ? 'node.exe' : 'node')
  if (existsSync(program)) return program
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
  const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']
  npm(['install', ...options, `${name}@${major}`], { cwd: folder })
  return program
}

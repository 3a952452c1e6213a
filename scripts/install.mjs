import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { npm, root } from './run.mjs'

/** Installs the JavaScript dependencies when node_modules differs from the lock file. */
export function install() {
  if (upToDate()) return
  console.log('Installing the JavaScript dependencies')
  npm(['ci', '--no-audit', '--no-fund', '--loglevel=error'])
}

function upToDate() {
  const wanted = packages('package-lock.json')
  const found = packages('node_modules/.package-lock.json')
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === '' || optional || found[path]?.version === version,
  )
}

function packages(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), 'utf8')).packages
  } catch {
    return {}
  }
}

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { npm, root } from './run.mjs'

/** Installs the JavaScript dependencies of a folder when its node_modules differs from its lock file. */
export function install(folder = '.') {
  if (upToDate(folder)) return
  console.log('Installing the JavaScript dependencies' + (folder === '.' ? '' : ' of ' + folder))
  npm(['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: join(root, folder) })
}

function upToDate(folder) {
  const wanted = packages(join(folder, 'package-lock.json'))
  const found = packages(join(folder, 'node_modules/.package-lock.json'))
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === '' || !version || optional || found[path]?.version === version,
  )
}

function packages(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), 'utf8')).packages
  } catch {
    return {}
  }
}

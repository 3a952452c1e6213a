// Other people's tools, where this machine has them; a reason is printed where it has not.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export const openssl = findOpenSSL()
export const python = findPython()

function findOpenSSL() {
  const version = text('openssl', ['version'])
  if (version?.startsWith('OpenSSL 3') !== true) {
    return missing(`keys are not tried with openssl: ${version ?? 'it is not installed'}`)
  }
  return {
    version: version.split(' ', 2).join(' '),
    run: (args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' }),
  }
}

function findPython() {
  if (text('python3', ['--version']) === undefined) return missing('keys are not tried with Python: no python3 here')
  const asked = ['-c', 'import cryptography; print(cryptography.__version__)']
  const target = fileURLToPath(new URL('../../target/python', import.meta.url))
  const env = { ...process.env, PYTHONPATH: target }
  let version = text('python3', asked, env)
  if (version === undefined) {
    mkdirSync(target, { recursive: true })
    const pip = spawnSync('python3', ['-m', 'pip', 'install', '--quiet', '--target', target, 'cryptography'])
    version = text('python3', asked, env)
    if (version === undefined) {
      return missing(`keys are not tried with Python: cryptography does not install: ${String(pip.stderr).trim()}`)
    }
  }
  const run = (program: string, args: string[]): string =>
    execFileSync('python3', ['-c', `import sys\n${program}`, ...args], { encoding: 'utf8', env })
  return { version, run }
}

function text(program: string, args: string[], env = process.env): string | undefined {
  const { status, stdout } = spawnSync(program, args, { encoding: 'utf8', env })
  return status === 0 ? stdout.trim() : undefined
}

function missing(reason: string): undefined {
  process.stderr.write(`${reason}\n`)
  return undefined
}

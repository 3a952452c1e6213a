/** Installs the JavaScript dependencies of a folder when its node_modules differs from its lock file. */
export function install(folder?: string): void

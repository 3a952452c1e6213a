export declare const targets: Record<string, string>
export declare function thisPlatform(): string

/// A castor in /lib/castor, and command lines written as one string.
import CastorLog

@testable import CastorCompiler

let library = Library(directory: "/lib/castor")
let clang = Toolchain(family: .clang, major: 16)
let gcc = Toolchain(family: .gcc, major: 12)

/// Apart at blanks.
func words(_ text: String) -> [SystemString] { text.split(separator: " ").map { SystemString(String($0)) } }

func text(_ words: [SystemString]) -> String { words.map(\.description).joined(separator: " ") }

let clangPlugin = "-fpass-plugin=/lib/castor/castor-pass-clang-16.so"
let gccPlugin = "-fplugin=/lib/castor/castor_pass_gcc_12.so"
let runtime = "-Wl,-L/lib/castor,-rpath,/lib/castor,--push-state,-Bdynamic,--no-as-needed,-lcastor,--pop-state"

/// Help texts, for a terminal of 80 columns.

enum Help {
    static let width = 80

    /// What `castor help` prints.
    static func overview() -> String {
        var text = "\(Tool.abstract)\n\nusage: castor COMMAND [ARGUMENTS]\n\nCommands:\n"
        text += columns(Tool.visibleCommands.map { ($0.name, $0.abstract + ".") })
        text += "\nOptions:\n" + columns([Option.help, .version].map { (spelling(of: $0), $0.help) })
        return text + "\n'castor help COMMAND' tells more about a command.\n"
    }

    /// What `castor help COMMAND` prints.
    static func text(for command: any Command.Type) -> String {
        var text = "\(usageLine(for: command))\n\n\(command.abstract).\n"
        if !command.discussion.isEmpty { text += "\n" + paragraphs(command.discussion) }
        return text + "\nOptions:\n" + columns(command.allOptions.map { (spelling(of: $0), $0.help) })
    }

    static func usageLine(for command: any Command.Type) -> String {
        "usage: castor \(command.name)" + (command.usage.isEmpty ? "" : " \(command.usage)")
    }

    /// `-o, --output DIR`
    static func spelling(of option: Option) -> String {
        let short = option.short.map { "-\($0), " } ?? "    "
        return short + option.nameAndValue.name + option.nameAndValue.value
    }

    /// Two columns, the right one wrapped.
    private static func columns(_ rows: [(left: String, right: String)]) -> String {
        let indent = 2 + (rows.map(\.left.count).max() ?? 0) + 2
        return rows.map { row in
            let lines = wrapped(row.right, width: width - indent)
            let first = "  " + row.left + String(repeating: " ", count: indent - 2 - row.left.count)
            let others = lines.dropFirst().map { String(repeating: " ", count: indent) + $0 + "\n" }
            return first + (lines.first ?? "") + "\n" + others.joined()
        }.joined()
    }

    private static func paragraphs(_ text: String) -> String {
        blocks(of: text).map { block in
            switch block {
            case .prose(let prose): wrapped(prose, width: width).joined(separator: "\n") + "\n"
            case .verbatim(let lines): lines.joined(separator: "\n") + "\n"
            }
        }.joined(separator: "\n")
    }

    /// A discussion is prose and lines to keep as they are.
    enum Block {
        case prose(String)
        case verbatim([String])
    }

    static func blocks(of text: String) -> [Block] {
        var blocks: [Block] = []
        var lines: [String] = []
        func close() {
            guard let first = lines.first else { return }
            blocks.append(first.hasPrefix(" ") ? .verbatim(lines) : .prose(lines.joined(separator: " ")))
            lines = []
        }
        for line in text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init) {
            if line.isEmpty { close() } else { lines.append(line) }
        }
        close()
        return blocks
    }

    private static func wrapped(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, last.count + 1 + word.count <= width {
                lines[lines.count - 1] += " " + word
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}

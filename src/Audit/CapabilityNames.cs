// Names of capabilities as administrators write them (pam_capabilities) and as --check prints them; capabilities(7).
using System;
using System.Text;

namespace Aotftpd.Audit;

/// <summary>Names and bits.</summary>
internal static class CapabilityNames
{
    private static readonly string[] s_names =
    [
        "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE",
        "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
        "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE",
        "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
        "PERFMON", "BPF", "CHECKPOINT_RESTORE",
    ];

    /// <summary>Bits of names separated by blanks or commas, with or without CAP_ in front; names that do not exist count nothing.</summary>
    internal static ulong Parse(ReadOnlySpan<byte> text)
    {
        ulong set = 0;
        foreach (string word in Encoding.Latin1.GetString(text).Split([' ', ','], StringSplitOptions.RemoveEmptyEntries))
        {
            string name = word.ToUpperInvariant();
            int index = Array.IndexOf(s_names, name.StartsWith("CAP_", StringComparison.Ordinal) ? name[4..] : name);
            set |= index >= 0 ? 1UL << index : 0;
        }
        return set;
    }

    /// <summary>Names of a set, as "CAP_X CAP_Y"; bits without a name are not shown.</summary>
    internal static string Of(ulong set)
    {
        StringBuilder text = new();
        for (int i = 0; i < s_names.Length; i++)
        {
            text.Append((set >> i & 1) == 0 ? "" : (text.Length > 0 ? " CAP_" : "CAP_") + s_names[i]);
        }
        return text.ToString();
    }
}

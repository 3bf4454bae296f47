// The capabilities that we ever speak of (capabilities(7)), and the sets that each exec'd role is born with.
// Nothing outside these sets is inheritable, ambient or in a bounding set of any of our processes.
namespace Aotftpd.Privilege;

/// <summary>Bits of capability sets.</summary>
internal static class Capability
{
    internal const ulong None = 0;
    internal const ulong Chown = 1UL << 0, DacOverride = 1UL << 1, DacReadSearch = 1UL << 2, Fowner = 1UL << 3, Kill = 1UL << 5,
        SetGid = 1UL << 6, SetUid = 1UL << 7, SetPcap = 1UL << 8, NetBindService = 1UL << 10, SysChroot = 1UL << 18, SysAdmin = 1UL << 21,
        SysResource = 1UL << 24, AuditWrite = 1UL << 29, AuditControl = 1UL << 30;

    /// <summary>What becoming another user in a jail takes.</summary>
    internal const ulong Become = SetUid | SetGid | SysChroot;

    /// <summary><c>spawner workers</c> and <c>zygote workers</c>.</summary>
    internal const ulong Workers = Become | Kill;

    /// <summary><c>auth</c> without the options' additions: PAM modules read shadow files, change owners, write audit records.</summary>
    internal const ulong Pam = SetUid | SetGid | DacReadSearch | DacOverride | Chown | Fowner | AuditWrite;

    /// <summary>Added with session_support.</summary>
    internal const ulong PamSession = AuditControl | SysResource;
}

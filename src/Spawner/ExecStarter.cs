// The two spawners' way to start a child: exec of our own image, with the capabilities of the child's role and no others.
// The table below is all that a spawner knows of roles.
using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Aotftpd.Ipc;
using Aotftpd.Native;
using Aotftpd.Privilege;

namespace Aotftpd.Spawner;

/// <summary>
/// Starts exec'd roles. <paramref name="ownCapabilities"/> is what this spawner holds; a child gets a part of it, a zygote
/// <paramref name="zygoteCapabilities"/>. <paramref name="argument"/> is the
/// constant one, unmanaged; <paramref name="config"/> are those of a <c>config</c>, which has the administrator's besides; <paramref name="giveProc"/>: children inherit <see cref="Namespaces.ProcDescriptor"/>.
/// </summary>
internal readonly unsafe struct ExecStarter(Role allowed, ulong ownCapabilities, ulong zygoteCapabilities, byte* argument, byte** config, bool giveProc) : IChildStarter
{
    /// <inheritdoc/>
    public Role Allowed => allowed;

    /// <inheritdoc/>
    public Errno Start(Role role, int socket, out int pid)
    {
        ulong keep = role switch
        {
            Role.ZygoteWorkers or Role.ZygoteHost => zygoteCapabilities,
            Role.Logger => Capability.Become,
            // SETGID to leave root's groups behind; all but CHOWN is given up before the first frame.
            Role.Chowner => Capability.Chown | Capability.SysChroot | Capability.SetGid,
            _ => Capability.None,
        };
        ReadOnlySpan<byte> word = role switch
        {
            Role.ZygoteWorkers => RoleWords.ZygoteWorkers,
            Role.ZygoteHost => RoleWords.ZygoteHost,
            Role.Logger => RoleWords.Logger,
            _ => RoleWords.Chowner,
        };
        // A literal lies in the image, with a NUL behind it, and never moves.
        Child.Arguments((byte*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(word)), argument);
        return role == Role.Config
            ? Child.Start(socket, 0, keep & ownCapabilities, false, giveProc, config, out pid)
            : Child.Start(socket, 0, keep & ownCapabilities, false, giveProc, out pid);
    }
}

/// <summary>First argument of each exec'd role.</summary>
internal static class RoleWords
{
    internal static ReadOnlySpan<byte> Listener => "=listener"u8;

    internal static ReadOnlySpan<byte> SpawnerWorkers => "=spawner-workers"u8;

    internal static ReadOnlySpan<byte> SpawnerHost => "=spawner-host"u8;

    internal static ReadOnlySpan<byte> ZygoteWorkers => "=zygote-workers"u8;

    internal static ReadOnlySpan<byte> ZygoteHost => "=zygote-host"u8;

    internal static ReadOnlySpan<byte> Config => "=config"u8;

    internal static ReadOnlySpan<byte> Logger => "=logger"u8;

    internal static ReadOnlySpan<byte> Chowner => "=chowner"u8;
}

// Which privileges a configuration asks for, and which option asks for each: the one list from which the start works out what
// the service's processes may hold, by which a reload is judged, and which aotftpd --check prints. Pure.
using System.Collections.Generic;
using System.Text;
using Aotftpd.Config;
using Aotftpd.Privilege;

namespace Aotftpd.Audit;

/// <summary>Who holds a privilege for its task; those that start it hold it too, to hand it on.</summary>
internal enum Holder : byte
{
    /// <summary>Idle workers, until they have become a client's.</summary>
    Workers,

    /// <summary><c>spawner workers</c> and <c>zygote workers</c>, for themselves.</summary>
    WorkersMakers,

    /// <summary><c>spawner host</c>, for the logger, and to end processes.</summary>
    Host,

    /// <summary><c>auth</c>.</summary>
    Auth,

    /// <summary><c>chowner</c>.</summary>
    Chowner,

    /// <summary>The listener.</summary>
    Listener,
}

/// <summary>One privilege.</summary>
/// <param name="Holder">Who needs it.</param>
/// <param name="Capabilities">One bit or more.</param>
/// <param name="Option">The option that asks for them, as in aotftpd.conf(5).</param>
internal readonly record struct Need(Holder Holder, ulong Capabilities, string Option);

/// <summary>The list.</summary>
internal static class Needs
{
    private const ulong ChangeIds = Capability.SetUid | Capability.SetGid;

    /// <summary>Everything that <paramref name="s"/> asks for, started by root or by an ordinary user.</summary>
    internal static List<Need> Of(Settings s, bool root)
    {
        if (!root)
        {
            // In a user namespace of their own; on the machine it counts nothing.
            return [new(Holder.Workers, Capability.SysChroot, "secure_chroot_dir")];
        }
        List<Need> needs =
        [
            new(Holder.Workers, ChangeIds, "nopriv_user"),
            new(Holder.Workers, Capability.SysChroot, "secure_chroot_dir"),
            new(Holder.WorkersMakers, Capability.Kill, "nopriv_user"),
            new(Holder.Host, ChangeIds | Capability.Kill, "service_user"),
            new(Holder.Host, Capability.SysChroot, "secure_chroot_dir"),
        ];
        if (s.LocalEnable)
        {
            needs.Add(new(Holder.Auth, Capability.Pam, "local_enable"));
            needs.Add(new(Holder.Auth, s.SessionSupport ? Capability.PamSession : 0, "session_support"));
            needs.Add(new(Holder.Auth, CapabilityNames.Parse(s.PamCapabilities), "pam_capabilities"));
        }
        if (s.GivesUploadsAway)
        {
            needs.Add(new(Holder.Chowner, Capability.Chown, "chown_uploads"));
        }
        if (s.ConnectFromPort20 && s.FtpDataPort < 1024)
        {
            needs.Add(new(Holder.Listener, Capability.NetBindService, "connect_from_port_20"));
        }
        needs.RemoveAll(n => n.Capabilities == 0);
        return needs;
    }

    /// <summary>
    /// What <paramref name="s"/> asks for beyond what a service that runs as <paramref name="mode"/> says has kept, with the option that asks;
    /// null if that is nothing. What the start was not given has been told then, and forbids no reload.
    /// </summary>
    internal static string? Beyond(RoleArgument mode, Settings s)
    {
        StringBuilder all = new();
        foreach (Need need in Of(s, mode.ChangeIds))
        {
            ulong held = mode.AbsentCapabilities | need.Holder switch
            {
                Holder.Workers or Holder.WorkersMakers => mode.WorkersCapabilities,
                Holder.Listener => mode.ListenerCapabilities,
                _ => mode.HostCapabilities,
            };
            if ((need.Capabilities & ~held) is not 0 and var missing)
            {
                all.Append(all.Length > 0 ? "; " : "").Append(need.Option).Append(" needs ").Append(CapabilityNames.Of(missing));
            }
        }
        return all.Length > 0 ? all.ToString() : null;
    }

    /// <summary>What <paramref name="holder"/> needs, all together.</summary>
    internal static ulong For(this List<Need> needs, Holder holder)
    {
        ulong all = 0;
        foreach (Need need in needs)
        {
            all |= need.Holder == holder ? need.Capabilities : 0;
        }
        return all;
    }
}
